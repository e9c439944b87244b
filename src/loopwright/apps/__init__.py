"""The processes of Loopwright: the supervisor, the gateway, control, and the command line.

Comes in: settings. Goes out: running processes, each wired from the packages below. Nobody imports it;
here alone it is decided which implementation stands behind which protocol.
"""

__all__: list[str] = []
