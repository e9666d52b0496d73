/** The files of /etc in the embedded image: path, permission bits, text. */
export const ETC: readonly (readonly [path: string, mode: number, text: string])[] = [
  [
    'passwd',
    0o644,
    `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
bin:x:2:2:bin:/bin:/bin/false
sys:x:3:3:sys:/dev:/bin/false
mail:x:8:8:mail:/var/spool/mail:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
user:x:1000:1000:Linux User:/home/user:/bin/sh
nobody:x:65534:65534:nobody:/home:/bin/false
`,
  ],
  [
    'group',
    0o644,
    `root:x:0:
daemon:x:1:
bin:x:2:
sys:x:3:
adm:x:4:
tty:x:5:
disk:x:6:
lp:x:7:
mail:x:8:
kmem:x:9:
wheel:x:10:root
cdrom:x:11:
dialout:x:18:
floppy:x:19:
video:x:28:
www-data:x:33:
audio:x:29:
utmp:x:43:
users:x:100:
user:x:1000:
nogroup:x:65534:
`,
  ],
  [
    'shadow',
    0o640,
    `root::10933:0:99999:7:::
daemon:*:10933:0:99999:7:::
bin:*:10933:0:99999:7:::
sys:*:10933:0:99999:7:::
mail:*:10933:0:99999:7:::
www-data:*:10933:0:99999:7:::
user:*:10933:0:99999:7:::
nobody:*:10933:0:99999:7:::
`,
  ],
  ['hostname', 0o644, 'vitrine\n'],
  [
    'hosts',
    0o644,
    `127.0.0.1	localhost
127.0.1.1	vitrine
::1	localhost ip6-localhost ip6-loopback
`,
  ],
  [
    'profile',
    0o644,
    `# For login shells.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PAGER=less
umask 022
if [ "$(id -u)" -eq 0 ]; then PS1='\\h:\\w# '; else PS1='\\h:\\w$ '; fi
for script in /etc/profile.d/*.sh; do
  [ -r "$script" ] && . "$script"
done
unset script
`,
  ],
  ['shells', 0o644, '/bin/sh\n/bin/ash\n/bin/hush\n'],
  [
    'fstab',
    0o644,
    `proc      /proc     proc    nosuid,noexec,nodev                   0 0
sysfs     /sys      sysfs   nosuid,noexec,nodev                   0 0
devtmpfs  /dev      devtmpfs mode=0755,nosuid                     0 0
devpts    /dev/pts  devpts  gid=5,mode=620,nosuid,noexec          0 0
tmpfs     /dev/shm  tmpfs   mode=1777,nosuid,nodev                0 0
`,
  ],
  [
    'inittab',
    0o644,
    `::askfirst:-/bin/sh
::ctrlaltdel:/sbin/reboot
::shutdown:/bin/umount -a -r
`,
  ],
  ['issue', 0o644, 'Vitrine \\r \\m (\\l)\n'],
  [
    'os-release',
    0o644,
    `NAME="Vitrine"
ID=vitrine
PRETTY_NAME="Vitrine (busybox 1.35.0)"
VERSION_ID=0.1
`,
  ],
  ['resolv.conf', 0o644, ''],
  ['nsswitch.conf', 0o644, 'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n'],
  [
    'protocols',
    0o644,
    `ip	0	IP
icmp	1	ICMP
tcp	6	TCP
udp	17	UDP
ipv6	41	IPv6
ipv6-icmp	58	IPv6-ICMP
sctp	132	SCTP
`,
  ],
  [
    'services',
    0o644,
    `echo	7/tcp
echo	7/udp
discard	9/tcp
discard	9/udp
daytime	13/tcp
ftp	21/tcp
ssh	22/tcp
telnet	23/tcp
smtp	25/tcp
time	37/tcp
domain	53/tcp
domain	53/udp
bootps	67/udp
bootpc	68/udp
tftp	69/udp
http	80/tcp
pop3	110/tcp
ntp	123/udp
imap2	143/tcp
snmp	161/udp
https	443/tcp
https	443/udp
syslog	514/udp
http-alt	8080/tcp
`,
  ],
  ['securetty', 0o644, 'console\ntty\ntty1\npts/0\n'],
];
