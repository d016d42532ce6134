# SPDX-License-Identifier: LGPL-2.1-or-later
"""The parts of the boot lab: guests, network, machines, cases."""
