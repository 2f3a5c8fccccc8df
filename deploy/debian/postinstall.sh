#!/bin/sh
# After the files are there: the user, and the service, if systemd runs.
set -e
if command -v systemd-sysusers >/dev/null; then
	systemd-sysusers parlor.conf
elif ! getent passwd parlor >/dev/null; then
	useradd --system --user-group --home-dir /var/lib/parlor --no-create-home --shell /usr/sbin/nologin parlor
fi
chgrp parlor /etc/parlor
chmod 0750 /etc/parlor
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	systemctl enable parlor.service
	systemctl restart parlor.service
fi
