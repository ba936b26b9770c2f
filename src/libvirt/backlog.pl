# backlog.pl BACKLOG PORT...: whoever listens on these ports of 127.0.0.1 lets so many connections wait to be taken.
# Prints each port that it was done for. A socket of another process is had by pidfd_getfd (Linux 5.6), which asks for the
# right to trace that process; listening again on it changes its backlog and nothing else.
use strict;
use warnings;

# The same on all architectures.
my ($SYS_pidfd_open, $SYS_pidfd_getfd) = (434, 438);
my $backlog = shift;
my %wanted = map { (sprintf('0100007F:%04X', $_) => $_) } @ARGV;

my %port_of;
open(my $table, '<', '/proc/net/tcp') or die "/proc/net/tcp: $!\n";
while (<$table>) {
    my ($local, $state, $inode) = (split)[1, 3, 9];
    $port_of{"socket:[$inode]"} = $wanted{$local} if $state eq '0A' && exists $wanted{$local};
}

for my $process (grep { comm($_) =~ /^qemu/ } glob('/proc/[0-9]*')) {
    for my $path (glob("$process/fd/*")) {
        my $port = $port_of{ readlink($path) // '' } // next;
        my ($pid, $fd) = $path =~ m{(\d+)/fd/(\d+)};
        my $pidfd = syscall($SYS_pidfd_open, $pid + 0, 0);
        die "pidfd_open: $!\n" if $pidfd < 0;
        my $own = syscall($SYS_pidfd_getfd, $pidfd, $fd + 0, 0);
        die "pidfd_getfd: $!\n" if $own < 0;
        open(my $socket, '+<&=', $own) or die "fdopen: $!\n";
        listen($socket, $backlog) or die "listen: $!\n";
        print "$port\n";
    }
}

sub comm {
    open(my $file, '<', "$_[0]/comm") or return '';
    return scalar(<$file>) // '';
}
