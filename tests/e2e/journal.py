#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Opens a volume by its tokens through libcryptsetup, as systemd-cryptsetup does, and prints what it would write
to the journal: lines of "PRIORITY TEXT". journal.py IMAGE; the exit status is 0 if the volume opens.
"""

import ctypes
import sys

# What systemd makes of libcryptsetup's levels (cryptsetup-util.c): LOG_INFO, LOG_ERR, LOG_DEBUG.
PRIORITY = {0: 6, 1: 3, 2: 7, -1: 7, -2: 7}
ANY_TOKEN = -1

lib = ctypes.CDLL("libcryptsetup.so.12")
CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)


@CALLBACK
def log(level, text, _):
    print(PRIORITY.get(level, 7), text.decode("utf-8", "replace").rstrip("\n"), flush=True)


cd = ctypes.c_void_p()
if lib.crypt_init(ctypes.byref(cd), sys.argv[1].encode()) < 0:
    sys.exit("no such device")
lib.crypt_set_log_callback(cd, log, None)
if lib.crypt_load(cd, None, None) < 0:
    sys.exit("no LUKS header")
result = lib.crypt_activate_by_token_pin(cd, None, None, ANY_TOKEN, None, ctypes.c_size_t(0), None, ctypes.c_uint32(0))
lib.crypt_free(cd)
sys.exit(0 if result >= 0 else 1)
