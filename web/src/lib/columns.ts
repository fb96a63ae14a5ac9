// Which columns a view has, and which of them are hidden where it is narrow.

import { isNumber } from "./format.ts";
import type { Field, Value } from "./types.ts";

/** The columns of the connections by default: eleven. */
const CONNECTIONS = "process,pid,proto,state,local,remote,rate_out,rate_in,rtt,loss,verdict";
/** The columns of the listening endpoints by default. */
const LISTENERS = "process,pid,user,proto,local,backlog,backlog_max,overflows,verdict";
/** The columns of events beside the time and the kind by default. */
const EVENTS = "process,pid,local,remote,duration,bytes_out,bytes_in,closed_by,ended";

/** The keys of streams and transfers that come first, as in `conns streams` and `conns link connections`: the last are hidden first. */
export const STREAMS = [
    "stream", "role", "remote", "state", "server", "video_codec", "audio_codec", "width", "height", "video_rate_bytes_per_s",
    "audio_rate_bytes_per_s", "key_frame_interval_us", "video_dropped_packets", "since_us", "local", "why",
];
export const TRANSFERS = [
    "destination_ip", "destination_port", "send_rate_average_kbit_per_s", "round_trip_time_ms", "transfers_queued", "rate_control_method",
    "encrypted_connection_state", "send_rate_max_kbit_per_s", "relay_ip", "last_error_message",
];

/** The names of the default columns of a view. */
export function usual(view: string): string {
    return view === "listeners" ? LISTENERS : view === "events" ? EVENTS : CONNECTIONS;
}

/** What `g` groups by, in this order. */
export const GROUPS = ["process", "unit", "container", "remote_addr", "remote_name", "remote_port", "app", "verdict"];

/** A column of a list. */
export interface Column {
    /** The key of its values in records. */
    key: string;
    title: string;
    type: string;
    /** What it means, for a tooltip. */
    meaning: string;
    /** The name that lists are sorted by; absent if they cannot be. */
    sort?: string;
    /** Lower ranks are hidden first; null after all that have one. */
    rank: number | null;
    /** Characters. */
    width: number;
    right: boolean;
}

/** Characters that values of a kind take. */
const WIDTHS: { [type: string]: number } = {
    endpoint: 24,
    address: 18,
    time: 21,
    port: 6,
    bytes: 8,
    rate: 10,
    duration: 8,
    percent: 6,
    number: 8,
    bool: 5,
    text: 14,
    list: 20,
};

/** An address and a port is never cut, so its column is as wide as the longest that is seen, up to that of IPv6. */
const MAX_ENDPOINT = 47;

/** A column of a field. */
export function column(field: Field): Column {
    const width = WIDTHS[field.type] ?? 14;
    return {
        key: field.key,
        title: field.name,
        type: field.type,
        meaning: field.meaning,
        sort: field.name,
        rank: field.rank,
        width: Math.max(width, Math.min(field.name.length + 2, 14)),
        right: isNumber(field.type),
    };
}

/** A column of a key that is no field's. */
export function plainColumn(key: string, type: string, title: string, width?: number): Column {
    const right = isNumber(type);
    return { key, title, type, meaning: "", rank: null, width: width ?? Math.max(WIDTHS[type] ?? 14, title.length + 1), right };
}

/** A text is cut from here on. */
const MAX_TEXT = 20;

/** Columns as wide as their texts and endpoints need, of which `longest` answers the length of the longest that was seen. */
export function widened(columns: Column[], longest: (key: string) => number): Column[] {
    return columns.map((column) => {
        const most = { endpoint: MAX_ENDPOINT, address: MAX_ENDPOINT, text: MAX_TEXT }[column.type];
        if (most === undefined) {
            return column;
        }
        const needed = Math.min(longest(column.key) + 1, most);
        const least = column.type === "text" ? column.title.length + 2 : column.width;
        return { ...column, width: Math.max(least, needed) };
    });
}

/** The columns that fit into `characters`: those with the lowest ranks are hidden first, then the last; one stays. */
export function fitting(columns: Column[], characters: number): Column[] {
    const shown = [...columns];
    const width = () => shown.reduce((sum, column) => sum + column.width + 1, 0);
    while (shown.length > 1 && width() > characters) {
        const ranked = shown.filter((column) => column.rank !== null);
        const least = ranked.reduce<Column | undefined>(
            (low, one) => (low === undefined || (one.rank ?? 0) < (low.rank ?? 0) ? one : low),
            undefined,
        );
        // Endpoints go last of all.
        const others = shown.filter((column) => column.type !== "endpoint");
        const last = others.at(-1) ?? shown.at(-1);
        const dropped = least ?? last;
        shown.splice(shown.indexOf(dropped as Column), 1);
    }
    return shown;
}

/** The order after a click on the header of `name`: by it, then the other way, then none. */
export function nextSort(sort: string, name: string, right: boolean): string {
    const first = right ? `-${name}` : name;
    const second = right ? name : `-${name}`;
    return sort === first ? second : sort === second ? "" : first;
}

/** Which way a list with this order is sorted by `name`, for `aria-sort`. */
export function sorted(sort: string, name: string | undefined): "ascending" | "descending" | "none" {
    const first = sort.split(",")[0];
    return name === undefined ? "none" : first === name ? "ascending" : first === `-${name}` ? "descending" : "none";
}

/** The length of the text of an endpoint. */
export function lengthOf(value: Value | undefined): number {
    return typeof value === "string" ? value.length : 1;
}
