// The order of rows that the API gives as a whole and in an order of its own.

import type { Record_, Value } from "./types.ts";

/** Rows by the value of one key, `-key` the largest first; those without a value are last, and equal ones stay as they are. */
export function ordered(rows: [string, Record_][], sort: string): [string, Record_][] {
    const falls = sort.startsWith("-");
    const key = falls ? sort.slice(1) : sort;
    if (key === "") {
        return rows;
    }
    return [...rows].sort(([, a], [, b]) => {
        const [one, other] = [a[key], b[key]];
        const [isMissing, isOtherMissing] = [!hasOrder(one), !hasOrder(other)];
        if (isMissing || isOtherMissing) {
            return Number(isMissing) - Number(isOtherMissing);
        }
        return compared(one, other) * (falls ? -1 : 1);
    });
}

function hasOrder(value: Value | undefined): boolean {
    return typeof value === "number" || typeof value === "string" || typeof value === "boolean";
}

/** As of `--sort`: numbers by size, texts without regard to case. */
function compared(one: Value | undefined, other: Value | undefined): number {
    if (typeof one === "number" && typeof other === "number") {
        return one - other;
    }
    const [a, b] = [String(one).toLowerCase(), String(other).toLowerCase()];
    return a < b ? -1 : a > b ? 1 : 0;
}
