// The rows of one list of the API: only those that are seen are asked for, and those seen lately are kept.

import { Failure, get } from "./api.ts";
import type { Loss, Record_, RowState, Snapshot, WindowAnswer } from "./types.ts";

/** A row at its place. */
export interface Row {
    id: string;
    state: RowState;
    record: Record_;
}

/** Rows kept around those that are seen. */
const MAX_KEPT = 12_000;

/** Rows on either side of those that are seen that are read with them each second. */
const AROUND = 60;

/** Rows on either side that are asked for while the list is scrolled, before they are seen. */
const AHEAD = 400;

/** Rows between two draws from which on a list is scrolled fast, and the rows in the direction that are read then. */
const FAST = 40;
const FAR_AHEAD = 2000;

/** What a list is of: a path and its parameters. */
export interface Query {
    path: string;
    parameters: { [name: string]: string };
}

/** A window on an order that the agent keeps. */
export class Source {
    readonly query: Query;
    total = 0;
    /** Whether there was an answer. */
    isKnown = false;
    losses: Loss[] = [];
    snapshot: Snapshot | undefined;
    private order = "new";
    private rows = new Map<number, Row>();
    private asked: Promise<void> | undefined;
    private last: [number, number] = [0, 0];
    /** Rows that are read above and below what is seen. */
    private above = AHEAD;
    private below = AHEAD;

    constructor(query: Query) {
        this.query = query;
    }

    /** The row at a place, if it was seen. */
    row(at: number): Row | undefined {
        return this.rows.get(at);
    }

    /** Whether all rows of a range were seen. */
    has(first: number, end: number): boolean {
        for (let at = first; at < Math.min(end, this.total); at++) {
            if (!this.rows.has(at)) {
                return false;
            }
        }
        return true;
    }

    /** Reads the rows of a range as they are now, and returns the place of the connection `find`. */
    async read(first: number, end: number, find = "", around = AROUND): Promise<number | null> {
        const offset = Math.max(0, first - around);
        const limit = Math.max(1, end + around - offset);
        const answer = await this.ask(offset, limit, find);
        this.isKnown = true;
        this.order = answer.order;
        this.total = answer.total;
        this.losses = answer.losses;
        this.snapshot = answer.snapshot;
        if (this.rows.size > MAX_KEPT) {
            this.rows.clear();
        }
        answer.rows.forEach((row, index) => {
            const at = answer.offset + index;
            const known = this.rows.get(at);
            const record = row.connection ?? known?.record ?? {};
            const id = typeof record["id"] === "string" ? record["id"] : "";
            this.rows.set(at, { id, state: row.state, record });
        });
        return answer.found;
    }

    /**
     * Reads a range unless it and what is near it is there, one request after the other; the latest range wins. Answers
     * whether anything was read.
     */
    async ensure(first: number, end: number): Promise<boolean> {
        const by = first - this.last[0];
        this.last = [first, end];
        const isFast = Math.abs(by) > FAST;
        // Where it is scrolled fast, what comes is read in time, and what was passed is left.
        this.above = isFast && by > 0 ? 0 : isFast ? FAR_AHEAD : AHEAD;
        this.below = isFast && by < 0 ? 0 : isFast ? FAR_AHEAD : AHEAD;
        if (this.has(Math.max(0, first - this.above / 2), end + this.below / 2)) {
            return false;
        }
        if (this.asked !== undefined) {
            await this.asked;
            return true;
        }
        this.asked = (async () => {
            try {
                do {
                    await this.readMissing();
                } while (!this.has(...this.last));
            } finally {
                this.asked = undefined;
            }
        })();
        await this.asked;
        return true;
    }

    /** Reads what is missing of the range asked for last, with what is near it. */
    private async readMissing(): Promise<void> {
        let [from, to] = [Math.max(0, this.last[0] - this.above), Math.min(this.total, this.last[1] + this.below)];
        while (from < to && this.rows.has(from)) {
            from++;
        }
        while (from < to && this.rows.has(to - 1)) {
            to--;
        }
        await this.read(from, to, "", 0);
    }

    /** Begins anew: the rows are asked for in a new order. */
    restart(): void {
        this.order = "new";
        this.rows.clear();
    }

    private async ask(offset: number, limit: number, find: string): Promise<WindowAnswer> {
        const window = () => ({ ...this.query.parameters, order: this.order, offset, limit, find });
        try {
            return await get<WindowAnswer>(this.query.path, window());
        } catch (error) {
            // The order is not kept any more, or the agent was restarted.
            const isExpired = error instanceof Failure && (error.status === 410 || error.problem?.code === "bad-cursor");
            if (!isExpired || this.order === "new") {
                throw error;
            }
            this.restart();
            return await get<WindowAnswer>(this.query.path, window());
        }
    }
}
