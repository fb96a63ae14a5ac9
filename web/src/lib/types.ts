// The shapes of the API's answers that the page reads (docs/openapi.json).

/** A value in a record: absent does not apply, null is unknown. */
export type Value = string | number | boolean | null | Value[] | { [key: string]: Value };

/** A connection, a process, an event: keys of the catalogue of fields, and others. */
export type Record_ = { [key: string]: Value | undefined };

/** A field of the catalogue. */
export interface Field {
    name: string;
    key: string;
    aliases: string[];
    type: string;
    unit: string;
    meaning: string;
    source: string;
    rank: number | null;
}

export interface Loss {
    kind: string;
    count: number;
    source: string;
    message: string;
}

export interface Snapshot {
    instance: string;
    sequence: number;
    at_us: number;
    host: string | null;
}

export type RowState = "open" | "other" | "closed" | "evicted";

export interface WindowAnswer {
    rows: { state: RowState; connection?: Record_ }[];
    order: string;
    offset: number;
    total: number;
    found: number | null;
    losses: Loss[];
    snapshot: Snapshot;
}

export interface GroupsAnswer {
    groups: Record_[];
    total: number;
    losses: Loss[];
    snapshot: Snapshot;
}

export interface Totals {
    connections: number;
    rate_out_bytes_per_s: number | null;
    rate_in_bytes_per_s: number | null;
    rates_unknown: number;
    problems: { verdict: string; connections: number }[];
    losses: Loss[];
    snapshot: Snapshot;
}

/** A part of a time of the past; what is not known is null. */
export interface Bucket {
    from_us: number;
    to_us: number;
    sampled_us: number;
    open: number | null;
    problems: number | null;
    ended: number | null;
    failed: number | null;
}

export interface Timeline {
    step_us: number;
    buckets: Bucket[];
    is_cut: boolean;
}

export interface Health {
    status: string;
    failing: string | null;
    version: string;
    snapshot: Snapshot;
    age_us: number;
    started_us: number;
    interval_us: number;
    sockets: number;
    samples: { done: number; skipped: number };
    abilities: { name: string; meaning: string; missing: string | null }[];
    losses: { snapshot: Loss[]; agent: Loss[] };
    cost: { cpu_us: number; sample_cpu_us: number; resident_bytes: number };
}

export interface Verdict {
    verdict: string;
    confidence_percent: number;
    why: string;
    advice: string;
    evidence: { [key: string]: Value };
}

export interface EventsAnswer {
    events: Record_[];
    losses: Loss[];
    next_since: string;
}

export interface Completion {
    start: number;
    end: number;
    candidates: { text: string; meaning: string }[];
}

/** An error of the API. */
export interface Problem {
    code: string;
    message: string;
    hint: string;
    place?: { start: number; end: number };
}
