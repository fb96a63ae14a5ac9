// What the page's address holds: a link shows the same filter, order, view, groups and columns.

/** The views, in the order of their keys 1 to 6. */
export const VIEWS = ["connections", "processes", "listeners", "events", "streams", "transfers"] as const;

export type View = (typeof VIEWS)[number];

/** What is asked for. */
export interface Question {
    view: View;
    filter: string;
    /** As the API's `sort`; empty is the order in which they were first seen. */
    sort: string;
    /** The field grouped by; empty is none. */
    group: string;
    /** Names of columns, by comma; empty is the default. */
    columns: string;
    /** Whether loopback is hidden. */
    hidden: boolean;
    /** The connection that is open; empty is none. */
    open: string;
    /** The moment of the past, seconds since 1970; empty is the present. */
    at: string;
}

export const PLAIN: Question = {
    view: "connections",
    filter: "",
    sort: "",
    group: "",
    columns: "",
    hidden: false,
    open: "",
    at: "",
};

/** The fragment of the address, without `#`. */
export function write(question: Question): string {
    const pairs = new URLSearchParams();
    for (const [key, value] of Object.entries(question)) {
        const usual = PLAIN[key as keyof Question];
        if (value !== usual) {
            pairs.set(key, String(value === true ? 1 : value));
        }
    }
    return pairs.toString();
}

/** The question of a fragment; what it does not know is omitted. */
export function read(fragment: string): Question {
    const pairs = new URLSearchParams(fragment.replace(/^#/, ""));
    const view = VIEWS.find((name) => name === pairs.get("view")) ?? PLAIN.view;
    const of = (key: string) => pairs.get(key) ?? "";
    return {
        view,
        filter: of("filter"),
        sort: of("sort"),
        group: of("group"),
        columns: of("columns"),
        hidden: of("hidden") === "1",
        open: /^[0-9]+-[0-9]+$/.test(of("open")) ? of("open") : "",
        at: /^[0-9]{1,12}(\.[0-9]{1,6})?$/.test(of("at")) ? of("at") : "",
    };
}
