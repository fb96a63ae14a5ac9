// What is shown, to be taken away: as CSV, as JSON, as a line of text, and as the `conns` command that gives it.

import type { Question } from "./address.ts";
import { EVENTS_REACH } from "./past.ts";
import type { Record_, Value } from "./types.ts";

/** A cell of CSV (RFC 4180); what a spreadsheet would take for a formula begins with an apostrophe. */
export function csvCell(value: Value | undefined): string {
    if (value === undefined || value === null) {
        return "";
    }
    const plain = typeof value === "object" ? JSON.stringify(value) : String(value);
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(plain) ? `'${plain}` : plain;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Records as CSV with these keys. */
export function csv(keys: string[], records: Record_[]): string {
    const lines = records.map((record) => keys.map((key) => csvCell(record[key])).join(","));
    return [keys.join(","), ...lines, ""].join("\r\n");
}

/** Records as JSON, one a line. */
export function json(records: Record_[]): string {
    return `[\n${records.map((record) => JSON.stringify(record)).join(",\n")}\n]\n`;
}

/** A word of a shell: quoted if it has to be. */
export function word(text: string): string {
    return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** A moment, seconds since 1970, as the command line reads it. */
function written(seconds: number): string {
    return new Date(seconds * 1000).toISOString();
}

/** The command of `conns` that shows the same. `filter` is the whole filter, that of hidden loopback included. */
export function command(question: Question, filter: string, columns: string[], agent: string): string {
    const words = ["conns", "--agent", agent];
    switch (question.view) {
        case "events":
            words.push("events");
            break;
        case "streams":
            words.push("streams");
            break;
        case "processes":
            words.push("--group-by", "pid");
            break;
        case "listeners":
            words.push("-l");
            break;
        default:
            break;
    }
    if (question.at !== "" && question.view === "events") {
        words.push("--since", written(Number(question.at) - EVENTS_REACH), "--to", written(Number(question.at)));
    } else if (question.at !== "") {
        words.push("--at", written(Number(question.at)));
    }
    const isList = question.view === "connections" || question.view === "listeners";
    if (isList && question.group !== "") {
        words.push("--group-by", question.group);
    } else if (isList) {
        words.push("--columns", columns.join(","));
        if (question.sort !== "") {
            words.push(`--sort=${question.sort}`);
        }
    }
    if (filter !== "") {
        words.push("--", filter);
    }
    return words.map(word).join(" ");
}
