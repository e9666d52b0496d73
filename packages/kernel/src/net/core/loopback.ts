/** The loopback device, the only one there is (drivers/net/loopback.c): without Internet protocols nothing goes through it. */
export const LOOPBACK = 'lo';
export const LOOPBACK_IFINDEX = 1;
export const ARPHRD_LOOPBACK = 772;
export const IFF_LOOPBACK = 8;
export const LOOPBACK_MTU = 65536;
export const LOOPBACK_TXQLEN = 1000;
