"""A terminal for cases that read the screen: tmux, into which keys are sent, and what it shows."""
import os, re, subprocess


class Terminal:
    """One of its own, whose socket is in a folder."""

    def __init__(self, folder, width=220, height=40):
        self.tmux = ["tmux", "-S", f"{folder}/tmux", "-f", "/dev/null"]
        environment = {**os.environ, "TZ": "UTC", "LANG": "C.UTF-8", "XDG_CONFIG_HOME": folder}
        subprocess.run([*self.tmux, "new-session", "-d", "-x", str(width), "-y", str(height), "sh"], check=True, env=environment)

    def run(self, command):
        """Starts a command in it; "left" and its status stand behind it once it has ended."""
        self.press(f"{command}; echo left $?", "Enter")

    def press(self, *keys):
        subprocess.run([*self.tmux, "send-keys", *keys], check=True)

    def resize(self, width, height):
        subprocess.run([*self.tmux, "resize-window", "-x", str(width), "-y", str(height)], check=True)

    def lines(self):
        return subprocess.check_output([*self.tmux, "capture-pane", "-p"], text=True).split("\n")

    def text(self):
        return "\n".join(self.lines())

    def shows(self, text):
        return lambda: text in self.text()

    def rows(self, lines=None):
        """The rows of the table: their cells by heading."""
        lines = lines or self.lines()
        is_head = lambda line: sum(word.isupper() or "-" in word for word in line.split()) >= 3 and line == line.upper()
        at = next((i for i, line in enumerate(lines) if is_head(line)), None)
        if at is None:
            return []
        titles = [(m.start(), m.end(), m.group()) for m in re.finditer(r"\S+", lines[at])]
        found = []
        for line in lines[at + 1:]:
            # The last line, or none is listed.
            if not line[2:].strip() or " old" in line or line.startswith("no "):
                break
            # Cells stand below their heading, to the left or to the right of it, two spaces apart.
            cells = [(m.start(), m.end(), m.group()) for m in re.finditer(r"\S+(?: \S+)*", line[2:])]
            cells = [(start + 2, end + 2, text) for start, end, text in cells]
            row = {}
            for start, end, title in titles:
                text = [text for s, e, text in cells if s == start or e == end]
                assert len(text) == 1, f"{title}: {text} in {line!r}"
                row[title] = text[0]
            found.append(row)
        return found

    def end(self):
        subprocess.run([*self.tmux, "kill-server"], stderr=subprocess.DEVNULL)
