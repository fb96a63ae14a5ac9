// Values as text, by the kind of their field: the forms of `conns` in a terminal (core/src/human.rs).

import { visible } from "./safe.ts";
import type { Field, Value } from "./types.ts";

/** The kinds of fields whose values are numbers, aligned to the right. */
const NUMBERS = new Set(["number", "port", "bytes", "rate", "duration", "percent"]);

/** Whether values of this kind are aligned to the right. */
export function isNumber(type: string): boolean {
    return NUMBERS.has(type);
}

/** The text of a value: `-` where it does not apply, `?` where it is unknown. */
export function text(field: Pick<Field, "type">, value: Value | undefined): string {
    if (value === undefined) {
        return "-";
    }
    if (value === null) {
        return "?";
    }
    if (Array.isArray(value)) {
        return list(field, value);
    }
    if (typeof value === "object") {
        return record(value);
    }
    if (typeof value === "number") {
        return number(field.type, value);
    }
    return typeof value === "boolean" ? (value ? "yes" : "no") : visible(value);
}

function list(field: Pick<Field, "type">, values: Value[]): string {
    return values.length === 0 ? "none" : values.map((value) => text(field, value)).join(", ");
}

/** A record in a list: its values in their order. */
function record(value: { [key: string]: Value }): string {
    return Object.entries(value)
        .map(([key, inner]) => `${key} ${plain(key, inner)}`)
        .join(" ");
}

function number(type: string, value: number): string {
    switch (type) {
        case "bytes":
            return bytes(value);
        case "rate":
            return rate(value);
        case "duration":
            return duration(value);
        case "percent":
            return percent(value);
        case "time":
            return time(value);
        default:
            return String(value);
    }
}

/** The text of a value under a key that is no field's: the unit is the end of the key. */
export function plain(key: string, value: Value | undefined): string {
    return text({ type: kindOfKey(key) }, value);
}

/** The kind of the values under a key, by the unit that it ends with. */
export function kindOfKey(key: string): string {
    if (key.endsWith("_bytes_per_s")) {
        return "rate";
    }
    if (key.endsWith("_us")) {
        return /(^|_)(at|wall|started|since|seen)_us$/.test(key) ? "time" : "duration";
    }
    if (key.endsWith("_percent")) {
        return "percent";
    }
    return /(^|_)bytes(_|$)/.test(key) ? "bytes" : "number";
}

/** A time span in microseconds: `85us`, `1.24ms`, `2.5s`, `3m20s`, `5h12m`, `12d3h`. */
export function duration(us: number): string {
    if (us < 1e3) {
        return `${Math.round(us)}us`;
    }
    if (us < 1e6) {
        return `${threeDigits(us / 1e3)}ms`;
    }
    if (us < 60e6) {
        return `${threeDigits(us / 1e6)}s`;
    }
    const s = Math.floor(us / 1e6);
    const two = (n: number) => String(n).padStart(2, "0");
    if (s < 3600) {
        return `${Math.floor(s / 60)}m${two(s % 60)}s`;
    }
    if (s < 86400) {
        return `${Math.floor(s / 3600)}h${two(Math.floor(s / 60) % 60)}m`;
    }
    return `${Math.floor(s / 86400)}d${Math.floor(s / 3600) % 24}h`;
}

/** Bytes in decimal units: `512B`, `1.45kB`, `33.1MB`. */
export function bytes(count: number): string {
    if (count < 1000) {
        return `${Math.round(count)}B`;
    }
    let value = count;
    for (const unit of ["kB", "MB", "GB", "TB", "PB"]) {
        value /= 1e3;
        if (value < 999.5) {
            return `${threeDigits(value)}${unit}`;
        }
    }
    return `${threeDigits(value / 1e3)}EB`;
}

/** Bytes a second. */
export function rate(perSecond: number): string {
    return `${bytes(Math.round(perSecond))}/s`;
}

/** Percent with the digits that matter: `0%`, `0.04%`, `1.8%`, `45%`. */
export function percent(value: number): string {
    if (value === 0) {
        return "0%";
    }
    return `${value.toFixed(value < 0.095 ? 2 : value < 9.95 ? 1 : 0)}%`;
}

/** A time in microseconds since 1970, in UTC and whole seconds. */
export function time(us: number): string {
    const date = new Date(Math.floor(us / 1e6) * 1e3);
    return Number.isNaN(date.getTime()) ? String(us) : date.toISOString().replace(".000Z", "Z");
}

/** The time of day of a time, with the reader's zone. */
export function clock(us: number): string {
    const date = new Date(us / 1e3);
    const two = (n: number) => String(n).padStart(2, "0");
    return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

function threeDigits(value: number): string {
    const digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    const text = value.toFixed(digits);
    return digits === 0 ? text : text.replace(/\.?0+$/, "");
}
