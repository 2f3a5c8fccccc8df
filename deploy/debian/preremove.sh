#!/bin/sh
# Before the files go. An upgrade restarts the service when the new files are there.
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
	systemctl disable --now parlor.service
fi
