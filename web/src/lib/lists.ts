// The lists of the views behind one interface: rows at places, of which those seen are read.

import { Failure, get } from "./api.ts";
import { STREAMS, TRANSFERS } from "./columns.ts";
import { ordered } from "./order.ts";
import { Source, type Query, type Row } from "./source.ts";
import type { EventsAnswer, GroupsAnswer, Loss, Record_, RowState, Snapshot, Value } from "./types.ts";

/** A row as it is drawn. */
export interface Shown {
    id: string;
    record: Record_;
    state: RowState;
    kind: "row" | "group" | "member";
    /** Of a group: whether its connections are shown. */
    isOpen: boolean;
}

/** What the list component reads. */
export interface List {
    readonly total: number;
    readonly isKnown: boolean;
    readonly losses: Loss[];
    readonly snapshot: Snapshot | undefined;
    row(at: number): Shown | undefined;
    has(first: number, end: number): boolean;
    /** Reads a range as it is now; answers the place of the row `find`, if it is asked for and there. */
    refresh(first: number, end: number, find?: string): Promise<number | null>;
    /** Reads what of a range is not there yet; answers whether anything was read. */
    ensure(first: number, end: number): Promise<boolean>;
}

/** The rows that were made of others: the same one for the same, so that only what changed is drawn. */
const made = new WeakMap<Row, Shown>();

function shown(row: Row | undefined, kind: "row" | "member"): Shown | undefined {
    if (row === undefined) {
        return undefined;
    }
    const known = made.get(row) ?? { ...row, kind, isOpen: false };
    made.set(row, known);
    return known;
}

/** Connections or listeners. */
export class WindowList implements List {
    private readonly source: Source;

    constructor(query: Query) {
        this.source = new Source(query);
    }

    get total(): number {
        return this.source.total;
    }
    get isKnown(): boolean {
        return this.source.isKnown;
    }
    get losses(): Loss[] {
        return this.source.losses;
    }
    get snapshot(): Snapshot | undefined {
        return this.source.snapshot;
    }
    row(at: number): Shown | undefined {
        return shown(this.source.row(at), "row");
    }
    has(first: number, end: number): boolean {
        return this.source.has(first, end);
    }
    async refresh(first: number, end: number, find = ""): Promise<number | null> {
        return await this.source.read(first, end, find);
    }
    async ensure(first: number, end: number): Promise<boolean> {
        return await this.source.ensure(first, end);
    }
}

/** Most groups that are listed, as many as the API gives at once. */
const MAX_GROUPS = 10_000;

/** Most groups that are open at a time: each is an order that the agent keeps. */
const MAX_OPEN = 6;

/** Groups, each with its connections where it is open. Groups keep their places, as rows do. */
export class GroupList implements List {
    isKnown = false;
    losses: Loss[] = [];
    snapshot: Snapshot | undefined;
    private readonly query: Query;
    /** The key of the value grouped by. */
    private readonly key: string;
    private readonly fields: string;
    private groups: { id: string; record: Record_; state: RowState }[] = [];
    private places = new Map<string, number>();
    private open = new Map<string, Source>();

    constructor(query: Query, key: string) {
        const { fields, sort: _, ...parameters } = query.parameters;
        this.query = { path: query.path, parameters };
        this.fields = fields ?? "";
        this.key = key;
    }

    get total(): number {
        let members = 0;
        for (const source of this.open.values()) {
            members += source.total;
        }
        return this.groups.length + members;
    }

    row(at: number): Shown | undefined {
        const place = this.placeOf(at);
        const group = this.groups[place.group];
        if (group === undefined) {
            return undefined;
        }
        if (place.member !== undefined) {
            return shown(this.open.get(group.id)?.row(place.member), "member");
        }
        return { ...group, kind: "group", isOpen: this.open.has(group.id) };
    }

    has(first: number, end: number): boolean {
        return this.parts(first, end).every(([source, from, to]) => source.has(from, to));
    }

    async refresh(first: number, end: number): Promise<number | null> {
        const answer = await get<GroupsAnswer>(this.query.path, { ...this.query.parameters, limit: MAX_GROUPS });
        this.isKnown = true;
        this.losses = answer.losses;
        this.snapshot = answer.snapshot;
        const now = new Set<string>();
        for (const record of answer.groups) {
            const id = this.idOf(record[this.key]);
            now.add(id);
            const at = this.places.get(id);
            if (at === undefined) {
                this.places.set(id, this.groups.length);
                this.groups.push({ id, record, state: "open" });
            } else {
                this.groups[at] = { id, record, state: "open" };
            }
        }
        for (const group of this.groups) {
            if (!now.has(group.id)) {
                group.state = "closed";
            }
        }
        await Promise.all(this.parts(first, end).map(async ([source, from, to]) => await source.read(from, to)));
        return null;
    }

    async ensure(first: number, end: number): Promise<boolean> {
        const read = this.parts(first, end).map(async ([source, from, to]) => await source.ensure(from, to));
        return (await Promise.all(read)).includes(true);
    }

    /** Shows the connections of the group at a place. */
    async openAt(at: number): Promise<void> {
        const row = this.row(at);
        if (row?.kind !== "group" || row.isOpen) {
            return;
        }
        const parameters = { ...this.query.parameters, fields: this.fields, group: row.id };
        const source = new Source({ path: this.query.path, parameters });
        await source.read(0, 100);
        const [oldest] = this.open.keys();
        if (this.open.size >= MAX_OPEN && oldest !== undefined) {
            this.open.delete(oldest);
        }
        this.open.set(row.id, source);
    }

    /** Hides the connections of the group at a place, or around it; answers the place of the group. */
    closeAt(at: number): number {
        const { group } = this.placeOf(at);
        const found = this.groups[group];
        if (found === undefined) {
            return at;
        }
        this.open.delete(found.id);
        let place = group;
        for (let before = 0; before < group; before++) {
            place += this.open.get(this.groups[before]?.id ?? "")?.total ?? 0;
        }
        return place;
    }

    /** The text by which the API names the group of a value. */
    private idOf(value: Value | undefined): string {
        return value === undefined ? "-" : value === null ? "?" : `=${String(value)}`;
    }

    /** The group of a row, and which of its connections the row is. */
    private placeOf(at: number): { group: number; member?: number } {
        let left = at;
        let group = 0;
        for (const [id, members] of this.opened()) {
            const place = this.places.get(id) ?? 0;
            // Groups up to this one.
            if (left <= place - group) {
                return { group: group + left };
            }
            left -= place - group + 1;
            if (left < members) {
                return { group: place, member: left };
            }
            left -= members;
            group = place + 1;
        }
        return { group: group + left };
    }

    /** The open groups in the order of their places, and how many rows each has. */
    private opened(): [string, number][] {
        const all = [...this.open].map(([id, source]): [string, number] => [id, source.total]);
        return all.sort(([a], [b]) => (this.places.get(a) ?? 0) - (this.places.get(b) ?? 0));
    }

    /** The parts of open groups that a range has. */
    private parts(first: number, end: number): [Source, number, number][] {
        const parts: [Source, number, number][] = [];
        let start = 0;
        let group = 0;
        for (const [id, members] of this.opened()) {
            const place = this.places.get(id) ?? 0;
            start += place - group + 1;
            const [from, to] = [Math.max(first - start, 0), Math.min(end - start, members)];
            const source = this.open.get(id);
            if (from < to && source !== undefined) {
                parts.push([source, from, to]);
            }
            start += members;
            group = place + 1;
        }
        return parts;
    }
}

/** Rows that the API gives as a whole: those that are there keep their places. */
export class WholeList implements List {
    isKnown = false;
    losses: Loss[] = [];
    snapshot: Snapshot | undefined;
    private rows: Shown[] = [];
    private places = new Map<string, number>();
    private readonly read: () => Promise<Part>;
    private readonly sort: string;

    /** `sort` is the order of the rows that are there at first; later ones come behind them. */
    constructor(read: () => Promise<Part>, sort = "") {
        this.read = read;
        this.sort = sort;
    }

    get total(): number {
        return this.rows.length;
    }
    row(at: number): Shown | undefined {
        return this.rows[at];
    }
    has(): boolean {
        return true;
    }
    async ensure(): Promise<boolean> {
        return false;
    }

    async refresh(): Promise<number | null> {
        const part = await this.read();
        const found = this.isKnown ? part.rows : ordered(part.rows, this.sort);
        this.isKnown = true;
        this.losses = part.losses;
        this.snapshot = part.snapshot ?? this.snapshot;
        for (const row of this.rows) {
            row.state = "closed";
        }
        for (const [id, record] of found) {
            const row: Shown = { id, record, state: "open", kind: "row", isOpen: false };
            const at = this.places.get(id);
            if (at === undefined) {
                this.places.set(id, this.rows.length);
                this.rows.push(row);
            } else {
                this.rows[at] = row;
            }
        }
        return null;
    }
}

/** The rows of a whole list, each with what is its own. */
export interface Part {
    rows: [string, Record_][];
    losses: Loss[];
    snapshot?: Snapshot;
}

interface ProcessesAnswer {
    processes: Record_[];
    losses: Loss[];
    snapshot: Snapshot;
    next_cursor: string | null;
}

/** Most processes that are listed. */
const MAX_PROCESSES = 20_000;

/** The processes. */
export async function processes(parameters: { [name: string]: string }): Promise<Part> {
    const rows: [string, Record_][] = [];
    let cursor = "";
    for (;;) {
        const answer = await get<ProcessesAnswer>("/api/v1/processes", { ...parameters, limit: 10_000, cursor });
        for (const record of answer.processes) {
            rows.push([String(record["pid"]), record]);
        }
        if (answer.next_cursor === null || rows.length >= MAX_PROCESSES) {
            return { rows, losses: answer.losses, snapshot: answer.snapshot };
        }
        cursor = answer.next_cursor;
    }
}

/** A record with these keys before its others. */
function withFirst(first: string[], record: Record_): Record_ {
    const keys = [...first.filter((key) => key in record), ...Object.keys(record)];
    return Object.fromEntries(keys.map((key) => [key, record[key]])) as Record_;
}

interface StreamsAnswer {
    streams: (Record_ & { publishers: Record_[]; players: Record_[]; server: Record_ })[];
    losses: Loss[];
}

/** The ends of media streams: a row for each publisher and player. */
export async function streams(parameters: { [name: string]: string }): Promise<Part> {
    const answer = await get<StreamsAnswer>("/api/v1/streams", parameters);
    const rows: [string, Record_][] = [];
    for (const { publishers, players, server, ...stream } of answer.streams) {
        const at = Object.values(server).join(" ");
        const ends: [string, Record_[]][] = [["publisher", publishers], ["player", players]];
        for (const [role, list] of ends) {
            for (const end of list) {
                const id = [stream["name"], at, role, end["local"], end["remote"]].join(" ");
                rows.push([id, withFirst(STREAMS, { stream: stream["name"], server: at, ...end, role })]);
            }
        }
    }
    return { rows, losses: answer.losses };
}

interface TransfersAnswer {
    transfers: Record_[];
    losses: Loss[];
    snapshot: Snapshot;
}

/** The connections of the transfer service. */
export async function transfers(parameters: { [name: string]: string }): Promise<Part> {
    const { transfers, losses, snapshot } = await get<TransfersAnswer>("/api/v1/transfers", parameters);
    return { rows: transfers.map((record) => [String(record["connection_id"]), withFirst(TRANSFERS, record)]), losses, snapshot };
}

/** Most events that are kept; the oldest are dropped first. */
const MAX_EVENTS = 20_000;

/** The key by which events are sorted as they come. */
const CAME = "at_us";

/** Events: the newest first, unless another order is asked for; then later ones come behind those that are there. */
export class EventList implements List {
    isKnown = false;
    losses: Loss[] = [];
    snapshot: Snapshot | undefined;
    /** Events that the agent did not keep until they were read. */
    missed = 0;
    private rows: Shown[] = [];
    private since = "";
    private reading: Promise<null> | undefined;
    private readonly parameters: { [name: string]: string };
    private readonly sort: string;
    /** The rows in an order that is not that in which they came. */
    private order: Shown[] | undefined;
    /** How many are shown, where the page is frozen. */
    private shown: number | undefined;

    /** Those of `before` are kept if it asks for the same. */
    constructor(parameters: { [name: string]: string }, sort = "", before?: List) {
        this.parameters = parameters;
        this.sort = sort === "" ? `-${CAME}` : sort;
        if (before instanceof EventList && JSON.stringify(before.parameters) === JSON.stringify(parameters)) {
            ({ isKnown: this.isKnown, losses: this.losses, missed: this.missed, since: this.since } = before);
            this.rows = [...before.rows];
            this.sortAnew();
        }
    }

    /** Whether events come at the first row, and move the others. */
    get isNewestFirst(): boolean {
        return this.sort === `-${CAME}`;
    }

    private sortAnew(): void {
        if (!this.isNewestFirst && this.sort !== CAME) {
            const rows = new Map(this.rows.map((row) => [row.id, row]));
            const pairs = this.rows.map((row): [string, Record_] => [row.id, row.record]);
            this.order = ordered(pairs, this.sort).map(([id]) => rows.get(id) as Shown);
        }
    }

    get total(): number {
        return this.shown ?? this.rows.length;
    }
    row(at: number): Shown | undefined {
        return (this.order ?? this.rows)[this.isNewestFirst ? this.total - 1 - at : at];
    }
    /** The place of the row with this id, from `from` on. */
    placeOf(id: string, from: number): number {
        let at = from;
        while (at < this.total && this.row(at)?.id !== id) {
            at++;
        }
        return at;
    }
    has(): boolean {
        return true;
    }
    async ensure(): Promise<boolean> {
        return false;
    }

    /** Shows no further event until it is called with false. */
    freeze(isFrozen: boolean): void {
        this.shown = isFrozen ? this.rows.length : undefined;
        if (!isFrozen) {
            this.drop();
        }
    }

    /** Reads what came since. One reading at a time: two would begin at the same event. */
    async refresh(): Promise<number | null> {
        this.reading ??= this.readNew().finally(() => (this.reading = undefined));
        return await this.reading;
    }

    private async readNew(): Promise<null> {
        const isFirst = !this.isKnown;
        const isPast = (this.parameters["at"] ?? "") !== "";
        if (isPast && this.isKnown) {
            // Nothing follows: these are the last ones before the moment.
            return null;
        }
        for (;;) {
            let answer: EventsAnswer;
            try {
                answer = await get<EventsAnswer>("/api/v1/events", { ...this.parameters, since: this.since, limit: 5000 });
            } catch (error) {
                if (!(error instanceof Failure) || error.status !== 410) {
                    throw error;
                }
                const { missed } = error.body as { missed?: number | null };
                this.missed += missed ?? 1;
                this.since = "";
                continue;
            }
            this.isKnown = true;
            this.losses = answer.losses;
            this.since = answer.next_since;
            for (const record of answer.events) {
                const id = String(record["serial"]);
                const row: Shown = { id, record, state: "open", kind: "row", isOpen: false };
                this.rows.push(row);
                this.order?.push(row);
            }
            if (answer.events.length < 5000 || isPast) {
                break;
            }
        }
        if (isFirst) {
            this.sortAnew();
        }
        // While it is frozen nothing that is shown may move.
        if (this.shown === undefined) {
            this.drop();
        }
        return null;
    }

    private drop(): void {
        if (this.rows.length > MAX_EVENTS) {
            const dropped = new Set(this.rows.splice(0, this.rows.length - MAX_EVENTS));
            this.order = this.order?.filter((row) => !dropped.has(row));
        }
    }
}
