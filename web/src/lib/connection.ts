// One connection that is open on the page: its record, its verdict, its measures second by second, its events.

import { Failure, get } from "./api.ts";
import { EventList } from "./lists.ts";
import type { Record_, Snapshot, Verdict } from "./types.ts";

/** The measures that are drawn, as fields: those of a chart together. */
export const CHARTS: { title: string; fields: string[] }[] = [
    { title: "Rate", fields: ["rate_out", "rate_in"] },
    { title: "Round trip", fields: ["rtt"] },
    { title: "Queues", fields: ["send_queue", "recv_queue"] },
    { title: "Loss", fields: ["loss"] },
];

/** Most points of a chart: an hour at a sample a second. */
const MAX_POINTS = 3600;

/** Values of one second. */
export interface Point {
    at_us: number;
    values: (number | null)[];
}

/** How much of it is shown. */
export interface Moment_ {
    record: Record_;
    verdict: Verdict | undefined;
    state: "open" | "closed" | "evicted";
    snapshot: Snapshot | undefined;
    points: Point[];
}

interface OneAnswer {
    connection: Record_;
    snapshot: Snapshot;
}

interface VerdictAnswer {
    verdict: Verdict;
}

/** A connection that is followed. */
export class Followed {
    readonly id: string;
    readonly events: EventList;
    /** The moment of the past that it is shown at; empty is the present. */
    readonly at: string;
    record: Record_ = {};
    verdict: Verdict | undefined;
    state: "open" | "closed" | "evicted" = "open";
    snapshot: Snapshot | undefined;
    points: Point[] = [];
    private readonly keys: string[];

    /** `keys` are those of the measures of the charts. */
    constructor(id: string, keys: string[], at = "") {
        this.id = id;
        this.at = at;
        this.keys = keys;
        const [netns, cookie] = id.split("-");
        this.events = new EventList({ filter: `cookie == ${cookie} and netns_inode == ${netns}`, at }, "at_us");
    }

    /** As it is now. */
    now(): Moment_ {
        const { record, verdict, state, snapshot } = this;
        return { record, verdict, state, snapshot, points: [...this.points] };
    }

    /** Reads it again. */
    async refresh(): Promise<void> {
        const path = `/api/v1/connections/${this.id}`;
        const events = this.events.refresh();
        try {
            const [one, why] = await Promise.all([
                get<OneAnswer>(path, { explain: 1, at: this.at }),
                get<VerdictAnswer>(`${path}/verdict`, { at: this.at }),
            ]);
            this.state = "open";
            this.verdict = why.verdict;
            this.take(one);
        } catch (error) {
            if (!(error instanceof Failure) || (error.status !== 410 && error.status !== 404)) {
                await events.catch(() => undefined);
                throw error;
            }
            this.state = error.status === 410 ? "closed" : "evicted";
            const last = error.body as Partial<OneAnswer> & Partial<VerdictAnswer>;
            if (last.verdict !== undefined) {
                this.verdict = last.verdict;
            }
            if (last.connection !== undefined && Object.keys(this.record).length === 0) {
                this.record = last.connection;
                this.snapshot = last.snapshot;
            }
        }
        await events;
    }

    private take({ connection, snapshot }: OneAnswer): void {
        const isNew = this.snapshot?.sequence !== snapshot.sequence || this.snapshot.instance !== snapshot.instance;
        this.record = connection;
        this.snapshot = snapshot;
        if (!isNew) {
            return;
        }
        const values = this.keys.map((key) => {
            const value = connection[key];
            return typeof value === "number" ? value : null;
        });
        this.points.push({ at_us: snapshot.at_us, values });
        if (this.points.length > MAX_POINTS) {
            this.points.shift();
        }
    }
}
