# An HTTP or HTTPS server on loopback for the TAP tests (http_server.py says what it answers).

package HttpServer;

use strict;
use warnings;

use Cwd 'abs_path';
use File::Basename;
use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Time::HiRes 'sleep';

my @running;

# Starts one; tls => 1 for HTTPS, with a certificate of its own making for localhost.
sub start
{
	my ($class, %options) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir;
	my $self      = bless { directory => $directory, scheme => $options{tls} ? 'https' : 'http' }, $class;
	my @command   = ('python3', dirname(abs_path(__FILE__)) . '/http_server.py', $directory);

	mkdir "$directory/files";
	if ($options{tls})
	{
		IPC::Run::run([ 'openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost',
			'-addext', 'subjectAltName=DNS:localhost', '-keyout', "$directory/key", '-out', "$directory/certificate" ],
			'>', '/dev/null', '2>', '/dev/null') or die 'openssl failed';
		push @command, "$directory/certificate", "$directory/key";
	}
	$self->{command} = \@command;
	push @running, $self;
	return $self->start_again;
}

# Once more after stop, on the same port.
sub start_again
{
	my ($self) = @_;
	my $ready = "$self->{directory}/ready";

	unlink $ready;
	$self->{process} = IPC::Run::start($self->{command}, '<', '/dev/null', '>>', "$self->{directory}/log", '2>&1');
	for (1 .. 600)
	{
		last if -e $ready;
		sleep 0.05;
	}
	$self->{port} = slurp_file("$self->{directory}/port");
	return $self;
}

# The URL of a path; $host instead of localhost.
sub url
{
	my ($self, $path, $host) = @_;

	return "$self->{scheme}://" . ($host // 'localhost') . ":$self->{port}$path";
}

sub directory   { return $_[0]{directory}; }
sub certificate { return "$_[0]{directory}/certificate"; }

# What was posted so far, in order: {path, headers, body}.
sub posts
{
	my ($self) = @_;

	return () unless -e "$self->{directory}/posts";
	return map { decode_json($_) } split(/\n/, slurp_file("$self->{directory}/posts"));
}

sub stop
{
	my ($self) = @_;

	$self->{process}->kill_kill if $self->{process};
	$self->{process} = undef;
	return;
}

END
{
	my $status = $?;
	$_->stop for @running;
	$? = $status;
}

1;
