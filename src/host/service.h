/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service: what systemd is told (sd_notify's protocol: a datagram to
 * $NOTIFY_SOCKET). Nothing happens without one.
 */
#ifndef HOST_SERVICE_H
#define HOST_SERVICE_H

void service_ready(void);
void service_stopping(void);

#endif
