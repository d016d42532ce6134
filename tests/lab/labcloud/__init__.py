# SPDX-License-Identifier: LGPL-2.1-or-later
"""A small Azure on this machine: metadata service, Entra, Key Vault and Managed HSM that really verify."""
