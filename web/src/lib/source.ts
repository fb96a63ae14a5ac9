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

    /** Reads a range unless it and what is near it is there, one request after the other; the latest range wins. */
    async ensure(first: number, end: number): Promise<void> {
        if (this.has(Math.max(0, first - AHEAD / 2), end + AHEAD / 2)) {
            return;
        }
        this.last = [first, end];
        if (this.asked !== undefined) {
            return await this.asked;
        }
        this.asked = (async () => {
            try {
                for (;;) {
                    const [from, to] = this.last;
                    await this.read(from, to, "", AHEAD);
                    const [wantedFrom, wantedTo] = this.last;
                    if (this.has(wantedFrom, wantedTo)) {
                        return;
                    }
                }
            } finally {
                this.asked = undefined;
            }
        })();
        return await this.asked;
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
