// Moments of the past, as the API names them: seconds since 1970 as text. Empty is the present.

import type { Bucket, Timeline } from "./types.ts";

/** A small and a large step, seconds: open connections are kept each minute. */
export const MINUTE = 60;
export const HOUR = 3600;

/** How far before a moment the API searches its events, seconds. */
export const EVENTS_REACH = 24 * HOUR;

/** Most parts of the time line. */
export const BUCKETS = 120;

/** The moment `by` seconds from another; empty from the last sample on. `now_us` is the time of that. */
export function stepped(at: string, by: number, now_us: number): string {
    const from = at === "" ? Math.floor(now_us / 1e6) : Number(at);
    const wanted = Math.max(0, Math.floor(from) + by);
    return wanted * 1e6 < now_us ? String(wanted) : "";
}

/** The time that the line around a moment is of: an hour on either side. */
export function around(at: string): { from: string; to: string } {
    const moment = Math.floor(Number(at));
    return { from: String(Math.max(0, moment - HOUR)), to: String(moment + HOUR) };
}

/** The place of the part that has a moment, or of the nearest one. */
export function placeOf(line: Timeline, at: string): number {
    const us = Number(at) * 1e6;
    const found = line.buckets.findIndex((bucket) => us < bucket.to_us);
    return found >= 0 ? found : Math.max(0, line.buckets.length - 1);
}

/** The moment of a part: its last second, but not after the last sample. */
export function momentOf(bucket: Bucket, now_us: number): string {
    const last = Math.min(bucket.to_us - 1_000_000, now_us - 1_000_000);
    return String(Math.max(Math.ceil(bucket.from_us / 1e6), Math.floor(last / 1e6)));
}

/** What is known of a part, as a phrase. */
export function figures(bucket: Bucket): string {
    if (bucket.sampled_us === 0) {
        return "no agent sampled";
    }
    const count = (value: number | null, word: string) => `${value ?? "?"} ${word}`;
    const { open, problems, ended, failed } = bucket;
    return [count(open, "open"), count(problems, "problems"), count(ended, "ended"), count(failed, "failed")].join(", ");
}
