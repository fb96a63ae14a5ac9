// The keys, and what each does: the one table that the page acts by and that `?` lists.

export type Action =
    | "filter" | "up" | "down" | "left" | "right" | "first" | "last" | "pageUp" | "pageDown" | "halfUp" | "halfDown"
    | "open" | "close" | "freeze" | "sortNext" | "sortTurn" | "sortAnew" | "group" | "columns" | "loopback" | "copyRow"
    | "earlier" | "later" | "hourEarlier" | "hourLater" | "export" | "help" | "view1" | "view2" | "view3" | "view4" | "view5" | "view6";

interface Entry {
    /** As `KeyboardEvent.key`, with `Ctrl-` before it. */
    keys: string[];
    action: Action;
    about: string;
}

export const KEYS: Entry[] = [
    { keys: ["/"], action: "filter", about: "filter as you type; Tab completes, Enter goes to the list" },
    { keys: ["ArrowUp", "k"], action: "up", about: "one row up" },
    { keys: ["ArrowDown", "j"], action: "down", about: "one row down" },
    { keys: ["ArrowRight", "l"], action: "right", about: "open the group; next column" },
    { keys: ["ArrowLeft", "Backspace"], action: "left", about: "close the group; previous column" },
    { keys: ["g g", "Home"], action: "first", about: "first row" },
    { keys: ["G", "End"], action: "last", about: "last row" },
    { keys: ["PageUp"], action: "pageUp", about: "a page up" },
    { keys: ["PageDown"], action: "pageDown", about: "a page down" },
    { keys: ["Ctrl-u"], action: "halfUp", about: "half a page up" },
    { keys: ["Ctrl-d"], action: "halfDown", about: "half a page down" },
    { keys: ["Enter"], action: "open", about: "why: everything about one connection" },
    { keys: ["Escape", "q"], action: "close", about: "back to the list; from the past to the present" },
    { keys: [" "], action: "freeze", about: "freeze at this second, and go on" },
    { keys: ["["], action: "earlier", about: "a minute back, by the history of the agent" },
    { keys: ["]"], action: "later", about: "a minute on, up to the present" },
    { keys: ["{"], action: "hourEarlier", about: "an hour back" },
    { keys: ["}"], action: "hourLater", about: "an hour on" },
    { keys: ["s"], action: "sortNext", about: "sort by the chosen column" },
    { keys: ["S"], action: "sortTurn", about: "sort the other way" },
    { keys: ["r"], action: "sortAnew", about: "sort anew" },
    { keys: ["g"], action: "group", about: "group by the next of: process, unit, container, remote, name, port, app, verdict" },
    { keys: ["c"], action: "columns", about: "choose columns" },
    { keys: ["h"], action: "loopback", about: "hide loopback, and show it; in groups, close the group" },
    { keys: ["y"], action: "copyRow", about: "copy the row, a field or an address" },
    { keys: ["e"], action: "export", about: "take away as JSON, CSV or the conns command" },
    { keys: ["1"], action: "view1", about: "connections" },
    { keys: ["2"], action: "view2", about: "processes" },
    { keys: ["3"], action: "view3", about: "listeners" },
    { keys: ["4"], action: "view4", about: "events" },
    { keys: ["5"], action: "view5", about: "streams" },
    { keys: ["6"], action: "view6", about: "transfers" },
    { keys: ["?"], action: "help", about: "this list" },
];

/** The name of a pressed key in the table. */
export function nameOf(event: Pick<KeyboardEvent, "key" | "ctrlKey" | "altKey" | "metaKey">): string {
    if (event.altKey || event.metaKey) {
        return "";
    }
    return event.ctrlKey ? `Ctrl-${event.key.toLowerCase()}` : event.key;
}

/** The action of a key, and of a second one behind it. */
export function actionOf(name: string): Action | undefined {
    return KEYS.find((entry) => entry.keys.includes(name))?.action;
}

/** Whether a key may be the first of two. */
export function begins(name: string): boolean {
    return KEYS.some((entry) => entry.keys.some((key) => key.startsWith(`${name} `)));
}

/** A key as people read it. */
export function label(key: string): string {
    return key === " " ? "Space" : key.replace("Arrow", "").replace("Escape", "Esc");
}
