"""What several cases do: start processes, and end those that they started."""
import subprocess

started = []


def start(*words, **more):
    """Starts a process that is silent unless `more` names its output."""
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **{"stdout": subprocess.DEVNULL, **more})
    started.append(process)
    return process


def stop(process):
    process.terminate()
    process.wait()


def stop_all():
    """Ends what was started and still runs, the latest first."""
    for process in reversed(started):
        if process.poll() is None:
            stop(process)


def output(*words):
    """What a command prints, whatever its exit code."""
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
