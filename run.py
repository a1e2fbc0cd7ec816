#!/usr/bin/env python3
"""Run deltarule from this checkout on a machine that has only Python.

    python3 run.py train digits     any command of deltarule, with its arguments
    python3 run.py test [...]       the tests; further arguments go to pytest
    python3 run.py lint             ruff (lint, format) and pyright

The first use makes a private environment in the folder .environment of the checkout (through uv where that
is installed, else through venv and pip), installs the project there under constraints.txt, and later uses
only start it. It is made anew when pyproject.toml, constraints.txt, the Python interpreter or the place of
the checkout changed. DELTARULE_ENV names another folder for it, as a read-only checkout needs.

Exit codes: that of the command which was run; 125 if setting up failed, with one line that says what is
wrong and what to type; 130 if interrupted while setting up.

Only the standard library is used, and only syntax that Python 3.8 reads, so that an old Python gets a
sentence rather than a syntax error. Where packages come from is the user's own pip or uv configuration.
"""

import contextlib
import errno
import hashlib
import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
import time

if os.name == "nt":
    import msvcrt
else:
    import fcntl

CHECKOUT = os.path.dirname(os.path.abspath(__file__))
OLDEST_PYTHON = (3, 11)
SETUP_FAILED = 125
INTERRUPTED = 130

# The words that are not deltarule's, each with the commands it stands for; {python} is the environment's.
OWN_COMMANDS = {
    "test": [["{python}", "-m", "pytest"]],
    "lint": [
        ["{python}", "-m", "ruff", "check", "."],
        ["{python}", "-m", "ruff", "format", "--check", "."],
        ["{python}", "-m", "pyright", "--pythonpath", "{python}"],
    ],
}

# What pip, uv and the operating system say, in lower case, when a sentence can tell the cure. In this order:
# a full disk or a missing network makes pip say further things as well.
SIGNS = {
    "space": ("no space left on device", "disk quota exceeded", "[winerror 112]"),
    "venv": ("ensurepip is not available", "no module named ensurepip", "no module named venv"),
    "certificate": ("certificate_verify_failed", "certificate verify failed", "invalid peer certificate"),
    "network": (
        "name resolution",
        "name or service not known",
        "nodename nor servname",
        "getaddrinfo failed",
        "dns error",
        "failed to establish a new connection",
        "network is unreachable",
        "no route to host",
        "connection refused",
        "connection reset",
        "connection aborted",
        "timed out",
        "proxyerror",
        "error sending request",
        "are you offline",
        "could not connect",
    ),
    "permission": ("permission denied", "read-only file system", "access is denied"),
}


class SetupError(Exception):
    """Setting up failed; the message is one line: what is wrong and what to type."""


class ToolError(Exception):
    """A tool ended with an error; `output` holds all that it printed."""

    def __init__(self, command, output):
        super().__init__(command, output)
        self.command = command
        self.output = output


def main(arguments):
    """Set up if needed, run what the arguments say, return the exit code."""
    word = arguments[0] if arguments else ""
    try:
        require_python(sys.version_info)
        environment = Environment(CHECKOUT, os.environ.get("DELTARULE_ENV"))
        environment.ensure({word} if word in OWN_COMMANDS else set())
    except SetupError as error:
        say(f"run.py: {error}")
        return SETUP_FAILED
    except KeyboardInterrupt:
        say("run.py: stopped while setting up; the next use starts afresh")
        return INTERRUPTED
    if word not in OWN_COMMANDS:
        return become([environment.program, *arguments])
    os.chdir(CHECKOUT)
    commands = [
        [environment.python if part == "{python}" else part for part in command]
        for command in OWN_COMMANDS[word]
    ]
    if len(commands) == 1:
        return become(commands[0] + arguments[1:])
    # All are run even if the first finds something: one call shows everything that there is to mend.
    codes = [subprocess.call(command) for command in commands]
    return 1 if any(codes) else 0


def become(command):
    """Replace this process by the command; where the system cannot, run it and return its exit code."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name != "nt":
        os.execv(command[0], command)
    process = subprocess.Popen(command)
    while True:
        # Ctrl-C reaches the child as well, which decides what it means.
        with contextlib.suppress(KeyboardInterrupt):
            return process.wait()


def say(line):
    """Print for the person at the terminal; standard output belongs to the command."""
    print(line, file=sys.stderr, flush=True)


def same_command():
    """The command that started this script, as one would type it again."""
    return quoted([os.path.basename(sys.executable or "python3"), *sys.argv])


def same_command_elsewhere():
    """The same command with the environment in the home folder."""
    if os.name == "nt":
        return f"set DELTARULE_ENV=%USERPROFILE%\\deltarule-environment and then {same_command()}"
    return f"DELTARULE_ENV=~/deltarule-environment {same_command()}"


def quoted(words):
    """The words as one line for a shell."""
    return " ".join(shlex.quote(word) for word in words)


def require_python(version):
    """Refuse a Python that is too old, naming a newer one where this machine has it."""
    if tuple(version[:2]) >= OLDEST_PYTHON:
        return
    needed, present = (".".join(str(part) for part in parts[:3]) for parts in (OLDEST_PYTHON, version))
    problem = f"needs Python {needed} or newer, this is {present}"
    for minor in range(20, OLDEST_PYTHON[1] - 1, -1):
        if answers(f"python3.{minor}"):
            raise SetupError(f"{problem}; type: {quoted([f'python3.{minor}', *sys.argv])}")
    if shutil.which("uv"):
        raise SetupError(f"{problem}; type: uv run --no-project --python 3.13 {quoted(sys.argv)}")
    raise SetupError(f"{problem}; install one, then type: python3.13 {quoted(sys.argv)}")


def answers(python):
    """Whether an interpreter of that name is there and starts (some are only names for a missing one)."""
    found = shutil.which(python)
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return bool(found) and subprocess.call([found, "-c", ""], **quiet) == 0


class Environment:
    """The private environment of one checkout: a virtual environment, a lock, and a stamp.

    The stamp says from what the environment was built. It is removed before anything is changed and written
    last, in one step, so an interrupted build is never taken for a complete one.
    """

    def __init__(self, checkout, folder=None):
        self.checkout = os.path.abspath(checkout)
        chosen = folder or os.path.join(self.checkout, ".environment")
        self.folder = os.path.abspath(os.path.expanduser(chosen))
        self.root = os.path.join(self.folder, "venv")
        self.stamp = os.path.join(self.folder, "complete.json")
        self.lock = os.path.join(self.folder, "lock")
        self.python = self.executable("python")
        self.program = self.executable("deltarule")

    def executable(self, name):
        """Where a virtual environment keeps a program."""
        if os.name == "nt":
            return os.path.join(self.root, "Scripts", name + ".exe")
        return os.path.join(self.root, "bin", name)

    def ensure(self, extras):
        """Build, complete or rebuild the environment if what is there does not serve."""
        try:
            if self.reason_to_build() or self.missing_extras(extras):
                self.set_up(extras)
        except OSError as error:
            cause = diagnosis(str(error))
            unknown = f"cannot set up in {self.folder} ({error}); type: {same_command_elsewhere()}"
            raise SetupError(self.advice(cause) if cause else unknown) from error
        except ToolError as error:
            cause = diagnosis(error.output)
            if cause:
                raise SetupError(self.advice(cause)) from error
            lines = [line for line in error.output.splitlines() if line.strip()]
            say("\n".join(f"  {line}" for line in lines[-20:]))
            tool = quoted(error.command[:4])
            raise SetupError(
                f"`{tool} ...` failed, as shown above; once that is mended, type: {same_command()}"
            ) from error

    def set_up(self, extras):
        """What `ensure` does when something is to be done: one process at a time, with its progress shown."""
        ours = os.path.exists(self.lock) or not os.path.exists(self.root)
        if not ours:
            raise SetupError(f"{self.root} was not made by run.py; type: {same_command_elsewhere()}")
        os.makedirs(self.folder, exist_ok=True)
        with locked(self.lock) as lock:
            # Another process may have done the work while this one waited.
            reason = self.reason_to_build()
            missing = self.missing_extras(extras)
            started = time.monotonic()
            if reason:
                say(f"Setting up deltarule ({reason}, about 10 s) ...")
                self.build(extras | self.known_extras(), lock)
            elif missing:
                say(f"Setting up what `{' '.join(sorted(missing))}` needs (about 5 s) ...")
                self.complete(missing, lock)
            else:
                return
            say(f"Ready after {time.monotonic() - started:.0f} s.")

    def described(self):
        """What an environment is built from: when any of it changes, the environment is of no use."""
        digest = hashlib.sha256()
        for name in ("pyproject.toml", "constraints.txt"):
            with open(os.path.join(self.checkout, name), "rb") as file:
                digest.update(hashlib.sha256(file.read()).digest())
        return {
            "project": digest.hexdigest(),
            # base_prefix: the same interpreter seen from inside a virtual environment is the same.
            "interpreter": [os.path.realpath(sys.base_prefix), sys.version, sys.platform],
            "checkout": self.checkout,
        }

    def stamped(self):
        """The stamp as it was written, or an empty one if there is none that can be read."""
        try:
            with open(self.stamp, encoding="utf-8") as file:
                stamped = json.load(file)
        except (OSError, ValueError):
            return {}
        return stamped if isinstance(stamped, dict) else {}

    def reason_to_build(self):
        """Why the environment must be built from nothing; empty if it serves."""
        stamped = self.stamped()
        if not stamped:
            return "an earlier set-up was not finished" if os.path.exists(self.root) else "first use"
        described = self.described()
        if stamped.get("checkout") != described["checkout"]:
            return "the checkout was moved"
        if stamped.get("interpreter") != described["interpreter"]:
            return "the Python interpreter changed"
        if stamped.get("project") != described["project"]:
            return "pyproject.toml or constraints.txt changed"
        if not (os.path.exists(self.python) and os.path.exists(self.program)):
            return "the environment was damaged"
        return ""

    def known_extras(self):
        """The extras that the present stamp has: a rebuild brings them back."""
        extras = self.stamped().get("extras", [])
        return set(extras).intersection(OWN_COMMANDS) if isinstance(extras, list) else set()

    def missing_extras(self, extras):
        """Those of the extras that the environment lacks."""
        return set(extras) - self.known_extras()

    def build(self, extras, lock):
        """Make the environment from nothing, with the project in it."""
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.stamp)
        target = f".[{','.join(sorted(extras))}]" if extras else "."
        try:
            self.make(["-e", target], lock)
        except BaseException:
            # A full disk is not left full. What cannot be removed has no stamp, so it is not used.
            shutil.rmtree(self.root, ignore_errors=True)
            raise
        self.write_stamp(extras)

    def make(self, requirements, lock):
        """An empty virtual environment, then the requirements in it."""
        uv = shutil.which("uv")
        if uv:
            try:
                self.clear()
                run_quietly([uv, "venv", "--python", sys.executable, self.root], self.checkout, lock)
                self.install(uv, requirements, lock)
                return
            except ToolError as error:
                # pip may know an index, a proxy or a certificate that uv does not; a disk is full for both.
                if diagnosis(error.output) in ("space", "permission"):
                    raise
        require_venv()
        self.clear()
        run_quietly([sys.executable, "-m", "venv", self.root], self.checkout, lock)
        self.install(None, requirements, lock)

    def clear(self):
        """Remove what an earlier build left."""
        if os.path.lexists(self.root):
            shutil.rmtree(self.root)

    def install(self, uv, requirements, lock):
        """Install under the constraints. Paths are relative, as pip splits some options at spaces."""
        options = ["-c", "constraints.txt", *requirements]
        if uv:
            command = [uv, "pip", "install", "--python", self.python]
        else:
            command = [self.python, "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
        run_quietly(command + options, self.checkout, lock)

    def complete(self, missing, lock):
        """Add extras to a complete environment without touching what is in it: a training may be using it."""
        uv = shutil.which("uv")
        pip_is_there = subprocess.call([self.python, "-c", "import pip"], stderr=subprocess.DEVNULL) == 0
        extras = missing | self.known_extras()
        if uv or pip_is_there:
            self.install(None if pip_is_there else uv, self.requirements_of(missing), lock)
            self.write_stamp(extras)
        else:
            self.build(extras, lock)

    def requirements_of(self, extras):
        """The requirements that pyproject.toml lists under these extras."""
        import tomllib  # comes with Python 3.11, and an older one must be able to start this script

        with open(os.path.join(self.checkout, "pyproject.toml"), "rb") as file:
            listed = tomllib.load(file)["project"]["optional-dependencies"]
        return [requirement for extra in sorted(extras) for requirement in listed[extra]]

    def write_stamp(self, extras):
        """Declare the environment complete, in one step."""
        unfinished = self.stamp + ".unfinished"
        with open(unfinished, "w", encoding="utf-8") as file:
            json.dump(dict(self.described(), extras=sorted(extras)), file, indent=1)
        os.replace(unfinished, self.stamp)

    def advice(self, cause):
        """One line for a cause of `SIGNS`: what is wrong and what to type."""
        if cause == "space":
            return f"no space left for {self.folder}; free 1 GB, or type: {same_command_elsewhere()}"
        if cause == "permission":
            return f"no permission to write in {self.folder}; type: {same_command_elsewhere()}"
        if cause == "certificate":
            return (
                "the certificate of the package index is not trusted here; set SSL_CERT_FILE and PIP_CERT to "
                f"the file of certificates of your network, then type: {same_command()}"
            )
        if cause == "network":
            return f"no network, or the package index does not answer; once connected, type: {same_command()}"
        return no_venv()


def diagnosis(output):
    """The key of `SIGNS` that a tool's or the system's words point to; empty if none."""
    said = output.lower()
    return next((cause for cause, signs in SIGNS.items() if any(sign in said for sign in signs)), "")


def require_venv():
    """Refuse a Python without venv or pip's bundle, as a minimal Debian has it, before anything is made."""
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        raise SetupError(no_venv())


def no_venv():
    """The line for a Python that cannot make virtual environments."""
    problem = "this Python lacks venv, which makes environments"
    if not shutil.which("apt"):
        return f"{problem}; install its venv and ensurepip modules, then type: {same_command()}"
    administrator = "" if os.geteuid() == 0 else "sudo "
    # The system's own Python has a package without a version in its name; others have only the other one.
    own = os.path.realpath(sys.executable) == os.path.realpath("/usr/bin/python3")
    package = "python3-venv" if own else f"python3.{sys.version_info[1]}-venv"
    return f"{problem}; type: {administrator}apt install {package}"


def run_quietly(command, folder, lock):
    """Run a tool with its output kept back; ToolError holds the output if it fails.

    The tool inherits the lock, so that one which outlives this process (killed meanwhile) still holds it.
    """
    inherited = {} if os.name == "nt" else {"pass_fds": (lock.fileno(),)}
    finished = subprocess.run(
        command,
        cwd=folder,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        **inherited,
    )
    if finished.returncode != 0:
        raise ToolError(command, finished.stdout)


@contextlib.contextmanager
def locked(path):
    """Hold the lock file; the system frees it when its holders end, so it is never stale."""
    with open(path, "a+", encoding="utf-8") as file:
        try:
            lock_file(file, wait=False)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
                say("Another run.py is setting up deltarule; waiting for it ...")
                lock_file(file, wait=True)
            # else: a file system without locks, where the stamp alone has to do
        yield file


def lock_file(file, wait):
    """Take the lock on an open file; without `wait`, OSError if another process holds it."""
    if os.name != "nt":
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    while True:
        try:
            file.seek(0)
            return msvcrt.locking(file.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        except OSError as error:
            # Windows gives up waiting after ten attempts, one a second.
            if not wait or error.errno != errno.EDEADLK:
                raise


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
