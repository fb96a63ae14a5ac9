"""What several cases do: wait for a condition."""
import sys, time


def until(what, condition, seconds=90, pause=0.3):
    """Waits for a value that is true, and returns it. Ends the script if it does not come."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            sys.exit(f"it does not happen within {seconds} s that {what}")
        time.sleep(pause)
    return value
