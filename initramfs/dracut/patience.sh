#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Read by dracut's queue when it is about to give up: not while the vault is waited for, which has a bound of its own.
# shellcheck disable=SC2034 # main_loop is the queue's
case "$(systemctl is-active luks-cmk-boot.service)" in
activating) main_loop=0 ;;
esac
