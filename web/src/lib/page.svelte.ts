// The state of the page: what is asked for, what was answered, and what is chosen. Components draw it and call it.

import * as address from "./address.ts";
import { PLAIN, type Question, type View } from "./address.ts";
import { Failure, get, hasToken, useToken } from "./api.ts";
import { type Column, GROUPS, column, fitting, lengthOf, nextSort, plainColumn, usual, widened } from "./columns.ts";
import { CHARTS, Followed, type Moment_ } from "./connection.ts";
import { kindOfKey } from "./format.ts";
import { around, BUCKETS, stepped } from "./past.ts";
import { EventList, GroupList, type List, type Shown, WholeList, WindowList, processes, streams, transfers } from "./lists.ts";
import type { Field, Health, Problem, Timeline, Totals } from "./types.ts";

/** Loopback at neither end, as a filter. */
const NO_LOOPBACK = "not addr in (127.0.0.0/8, ::1)";

/** How often the page asks. */
const INTERVAL_MS = 1000;

/** How long a filter is left alone before it is asked for, while it is typed. */
const TYPING_MS = 180;

/** Rows read at the moment of freezing, around those that are seen. */
const FROZEN_ROWS = 4900;

/** Whether the agent will refuse the same question again. */
function isRefused(error: Failure): boolean {
    return error.status >= 400 && error.status < 500 && error.status !== 401 && error.problem?.code !== "bad-filter";
}

class Page {
    question = $state.raw<Question>(address.read(location.hash));
    /** The filter as it is typed. */
    draft = $state("");
    /** What is wrong with the draft; the list stays that of the last good filter. */
    problem = $state.raw<Problem | undefined>();
    fields = $state.raw<Field[]>([]);
    health = $state.raw<Health | undefined>();
    totals = $state.raw<Totals | undefined>();
    /** The time around the moment of the past that is shown. */
    line = $state.raw<Timeline | undefined>();
    /** When the page last had an answer, and why it has none since. */
    answeredAt = $state(0);
    lost = $state("");
    /** Why a token is asked for; empty if it is not. */
    needsToken = $state("");
    /** An error of the list that is no loss of the agent. */
    trouble = $state("");
    /** The time of the sample that is frozen, microseconds; 0 if none is. */
    frozenAt = $state(0);
    selected = $state(0);
    selectedId = "";
    /** The chosen column, by its place among those that are shown. */
    chosen = $state(0);
    /** Counts up whenever the list or the open connection was read. */
    version = $state(0);
    /** Characters that fit into a row. */
    characters = $state(120);
    /** The open connection as it is shown. */
    opened = $state.raw<Moment_ | undefined>();
    noted = $state("");
    /** Milliseconds of a clock that is never set. */
    now = $state(performance.now());
    /** What is seen of the list. */
    seen: [number, number] = [0, 50];
    /** Scrolls so that the selected row is seen; the list component sets it. */
    reveal: () => void = () => undefined;
    /** Scrolls by rows that came above what is seen; the list component sets it. */
    shift: (rows: number) => void = () => undefined;

    list = $state.raw<List>(new WholeList(async () => ({ rows: [], losses: [] })));
    followed = $state.raw<Followed | undefined>();
    private longest = new Map<string, number>();
    private columnsBefore = new Map<string, Column[]>();
    private generation = 0;
    /** The question about the past that was read: what was does not change. */
    private readFor = "";
    private typing: ReturnType<typeof setTimeout> | undefined;

    /** The whole filter that the API is given. */
    get filter(): string {
        const { filter, hidden } = this.question;
        return !hidden ? filter : filter.trim() === "" ? NO_LOOPBACK : `${NO_LOOPBACK} and (${filter})`;
    }

    /** The columns of the view, all of them. */
    get columns(): Column[] {
        void this.version;
        const { view, group } = this.question;
        if (view === "processes" || view === "streams" || view === "transfers") {
            return this.columnsOfRecords([]).map((made) => ({ ...made, sort: made.key }));
        }
        if (group !== "" && view !== "events") {
            return this.columnsOfRecords([this.keyOf(group)]);
        }
        const columns = this.columnsOfFields();
        if (view === "events") {
            const all = [plainColumn("at_us", "time", "at"), plainColumn("event", "text", "event", 9), ...columns];
            return all.map((one) => ({ ...one, sort: one.key }));
        }
        return widened(columns, (key) => this.longest.get(key) ?? 0);
    }

    /** Those that fit. */
    get shownColumns(): Column[] {
        return this.sameColumns("shown", fitting(this.columns, this.characters));
    }

    /** The columns of the connections below a group, those that fit. */
    get memberColumns(): Column[] {
        void this.version;
        const columns = widened(this.columnsOfFields(), (key) => this.longest.get(key) ?? 0);
        return this.sameColumns("member", fitting(columns, this.characters - 2));
    }

    private columnsOfFields(): Column[] {
        const named = this.names().map((name) => this.fields.find((field) => field.name === name));
        return named.filter((field) => field !== undefined).map(column);
    }

    /** The columns of before if they are the same, so that nothing is drawn for them. */
    private sameColumns(of: string, columns: Column[]): Column[] {
        const before = this.columnsBefore.get(of);
        if (before !== undefined && JSON.stringify(before) === JSON.stringify(columns)) {
            return before;
        }
        this.columnsBefore.set(of, columns);
        return columns;
    }

    /** The order of the list: of events, the newest first unless another is asked for. */
    get order(): string {
        return this.question.sort === "" && this.question.view === "events" ? "-at_us" : this.question.sort;
    }

    /** Names of the fields that are asked for. */
    names(): string[] {
        return (this.question.columns || usual(this.question.view)).split(",");
    }

    /** The key of the field with this name. */
    keyOf(name: string): string {
        return this.fields.find((field) => field.name === name)?.key ?? name;
    }

    /** Starts to ask, and goes on. */
    start(): void {
        this.draft = this.question.filter;
        this.begin();
        addEventListener("hashchange", () => this.follow(address.read(location.hash)));
        const tick = async () => {
            const started = performance.now();
            await this.tick();
            setTimeout(() => void tick(), Math.max(50, INTERVAL_MS - (performance.now() - started)));
        };
        void tick();
        setInterval(() => (this.now = performance.now()), 500);
    }

    /** One round of requests. */
    async tick(): Promise<void> {
        try {
            const before = this.health?.snapshot.instance;
            const health = await get<Health>("/api/v1/health");
            if (this.fields.length === 0) {
                this.fields = (await get<{ fields: Field[] }>("/api/v1/fields")).fields;
                this.begin();
            }
            this.health = health;
            this.answeredAt = performance.now();
            this.needsToken = "";
            const isOther = before !== undefined && before !== health.snapshot.instance;
            if (this.lost !== "" || isOther) {
                this.note(isOther ? "The agent was restarted; this is its new list." : "The agent answers again.");
            }
            this.lost = "";
            const asked = address.write(this.question);
            if (this.question.at === "" || this.readFor !== asked) {
                await this.readAll(asked);
            }
        } catch (error) {
            this.fail(error);
        }
        this.version++;
    }

    /** Reads what is shown; of a moment of the past once. */
    private async readAll(asked: string): Promise<void> {
        try {
            await Promise.all([this.readTotals(), this.refresh(), this.readOpen(), this.readLine()]);
            this.readFor = asked;
        } catch (error) {
            if (error instanceof Failure && isRefused(error)) {
                this.readFor = asked;
            }
            throw error;
        }
    }

    private async readLine(): Promise<void> {
        const { at } = this.question;
        const line = at === "" ? undefined : await get<Timeline>("/api/v1/timeline", { ...around(at), buckets: BUCKETS });
        if (at === this.question.at) {
            this.line = line;
        }
    }

    /** Goes by seconds into the past, or back to the present. */
    async step(by: number): Promise<void> {
        const now = this.health?.snapshot.at_us;
        if (now === undefined) {
            return;
        }
        if (this.question.at === "" && by > 0) {
            this.note("This is the present; [ goes back.");
            return;
        }
        await this.goTo(stepped(this.question.at, by, now));
    }

    /** Shows a moment of the past, or the present. */
    async goTo(at: string): Promise<void> {
        if (at === this.question.at) {
            return;
        }
        await this.ask({ at });
        if (this.question.at === at) {
            this.note(at === "" ? "This is the present." : "");
            await this.tick();
        }
    }

    private async readTotals(): Promise<void> {
        if (this.frozenAt === 0) {
            const totals = await get<Totals>("/api/v1/totals", { filter: this.filter, at: this.question.at });
            if (this.frozenAt === 0) {
                this.totals = totals;
            }
        }
    }

    private fail(error: unknown): void {
        if (!(error instanceof Failure)) {
            this.trouble = String(error);
            return;
        }
        if (error.status === 401) {
            this.needsToken = hasToken()
                ? "The agent does not accept this token: it is wrong, or was withdrawn."
                : "This agent gives its data only to those who have a token.";
        } else if (error.status === 0) {
            this.lost = error.message || "no answer";
        } else if (error.problem?.code !== "bad-filter" || !this.list.isKnown) {
            // A filter that is still typed has its error under it.
            this.trouble = `${error.message}${error.problem ? ` (${error.problem.hint})` : ""}`;
        }
    }

    /** Uses a token, and asks at once. */
    async giveToken(token: string): Promise<void> {
        useToken(token.trim());
        await this.tick();
    }

    /** Makes the list of the question. */
    private begin(): void {
        this.generation++;
        const { view, group, sort, at } = this.question;
        const filter = this.filter;
        const fields = this.names().join(",");
        const parameters = { filter, sort, fields, at };
        this.seen = [0, Math.max(50, this.seen[1] - this.seen[0])];
        switch (view) {
            case "connections":
            case "listeners": {
                const path = `/api/v1/${view}`;
                this.list =
                    group === ""
                        ? new WindowList({ path, parameters })
                        : new GroupList({ path, parameters: { ...parameters, group_by: group } }, this.keyOf(group));
                break;
            }
            case "processes":
                this.list = new WholeList(async () => await processes({ filter, at }), sort);
                break;
            case "events":
                this.list = new EventList({ filter, fields, at }, sort, this.list);
                break;
            case "streams":
                this.list = new WholeList(async () => await streams({ filter, at }), sort);
                break;
            case "transfers":
                this.list = new WholeList(async () => await transfers({ at }), sort);
                break;
        }
    }

    /** Reads the list, unless it is frozen; what an event list gets while it is frozen is kept behind. */
    async refresh(find = ""): Promise<void> {
        const { list, generation } = this;
        if ((this.frozenAt !== 0 && !(list instanceof EventList)) || this.fields.length === 0) {
            return;
        }
        const events = list instanceof EventList ? list : undefined;
        const isAtStart = (this.selected === 0 && this.seen[0] === 0) || !list.isKnown;
        const found = await list.refresh(this.seen[0], this.seen[1], find);
        if (generation !== this.generation) {
            return;
        }
        this.trouble = "";
        this.measure();
        if (find !== "") {
            this.select(found ?? Math.min(this.selected, Math.max(0, list.total - 1)));
            this.reveal();
        } else if (events?.isNewestFirst === true && !isAtStart && this.frozenAt === 0) {
            // Who reads an event keeps it at its place; who has the first one selected sees those that come.
            const before = this.selected;
            const at = events.placeOf(this.selectedId, before);
            this.select(Math.min(at, Math.max(0, list.total - 1)));
            this.version++;
            this.shift(this.selected - before);
        } else {
            this.select(Math.min(this.selected, Math.max(0, list.total - 1)));
        }
        this.version++;
    }

    /** Reads what is to be seen and is not there. */
    async ensure(first: number, end: number): Promise<void> {
        this.seen = [first, end];
        if (this.frozenAt !== 0 || this.fields.length === 0 || !this.list.isKnown) {
            return;
        }
        const { generation } = this;
        let isRead = false;
        try {
            isRead = await this.list.ensure(first, end);
        } catch (error) {
            this.fail(error);
        }
        if (generation === this.generation && (this.measure() || isRead)) {
            this.version++;
        }
    }

    /** Keeps the lengths of the longest endpoints, for the width of their columns; answers whether one is longer now. */
    private measure(): boolean {
        let isLonger = false;
        for (let at = this.seen[0]; at < this.seen[1]; at++) {
            const record = this.list.row(at)?.record;
            for (const key in record) {
                const length = lengthOf(record[key]);
                if (length > (this.longest.get(key) ?? 0)) {
                    this.longest.set(key, length);
                    isLonger = true;
                }
            }
        }
        return isLonger;
    }

    /** The columns of records whose keys are no list of the page's: all of the first row, in their order. */
    private columnsOfRecords(first: string[]): Column[] {
        let record = this.list.row(0)?.record;
        for (let at = 1; record !== undefined && at < Math.min(this.list.total, 20); at++) {
            const other = this.list.row(at);
            // The key with most columns is the model of the others; connections below a group have none.
            if (other !== undefined && other.kind !== "member" && Object.keys(other.record).length > Object.keys(record).length) {
                record = other.record;
            }
        }
        const rest = Object.keys(record ?? {}).filter((key) => !first.includes(key) && key !== "id");
        const keys = record === undefined ? first : [...first, ...rest];
        return keys.map((key, at) => {
            const field = this.fields.find((one) => one.key === key);
            if (field !== undefined) {
                const { sort: _, ...plain } = column(field);
                return first.includes(key) ? { ...plain, width: 30, rank: null } : { ...plain, rank: at < 2 ? null : 100 - at };
            }
            const type = kindOfKey(key);
            const value = record?.[key];
            const isText = typeof value === "string" || (typeof value === "object" && value !== null);
            const title = key.replace(/_(us|percent|bytes_per_s)$/, "");
            const made = plainColumn(key, isText && type === "number" ? "text" : type, title);
            return { ...made, rank: at < 2 ? null : 100 - at };
        });
    }

    /** Selects the row at a place. */
    select(at: number): void {
        this.selected = at;
        this.selectedId = this.list.row(at)?.id ?? "";
    }

    get selectedRow(): Shown | undefined {
        void this.version;
        return this.list.row(this.selected);
    }

    /** Moves the selection by rows. */
    move(by: number): void {
        this.select(Math.min(Math.max(0, this.selected + by), Math.max(0, this.list.total - 1)));
        this.reveal();
    }

    /** Asks another question; the selection follows its connection. */
    async ask(change: Partial<Question>): Promise<void> {
        const isOtherList = Object.keys(change).some((key) => key !== "open");
        const before = this.question;
        this.question = { ...before, ...change };
        history.replaceState(null, "", `#${address.write(this.question)}`);
        if (!isOtherList) {
            return;
        }
        const [list, generation, id] = [this.list, this.generation, this.selectedId];
        this.thaw();
        this.begin();
        if (change.view !== undefined && change.view !== before.view) {
            this.selected = 0;
            this.chosen = 0;
            this.longest.clear();
        }
        if (this.list instanceof EventList && this.list.isKnown) {
            // The same events in another order.
            const at = this.list.placeOf(id, 0);
            this.select(at < this.list.total ? at : 0);
            this.reveal();
        }
        const isWindow = this.list instanceof WindowList && list instanceof WindowList && change.view === undefined;
        try {
            await this.refresh(isWindow && /^[0-9]+-[0-9]+$/.test(id) ? id : "");
            if (change.filter !== undefined) {
                this.problem = undefined;
            }
            await this.readTotals();
        } catch (error) {
            if (error instanceof Failure && (change.at ?? before.at) !== before.at && isRefused(error)) {
                // The moment is not kept: what was shown stays.
                this.question = before;
                history.replaceState(null, "", `#${address.write(before)}`);
                this.list = list;
                this.generation = generation + 2;
                this.note(`${error.message} (${error.problem?.hint ?? ""})`);
            } else if (error instanceof Failure && error.problem?.code === "bad-filter" && change.filter !== undefined) {
                // The last good filter stays.
                this.problem = this.placed(error.problem);
                this.trouble = "";
                this.question = { ...this.question, filter: before.filter };
                history.replaceState(null, "", `#${address.write(this.question)}`);
                this.list = list;
                this.generation = generation + 2;
            } else {
                this.fail(error);
            }
        }
        this.version++;
    }

    /** The problem with its place in the draft, in characters. */
    private placed(problem: Problem): Problem {
        if (problem.place === undefined) {
            return problem;
        }
        const before = this.question.hidden ? NO_LOOPBACK.length + 6 : 0;
        const bytes = new TextEncoder().encode(this.question.filter);
        const character = (byte: number) =>
            new TextDecoder().decode(bytes.slice(0, Math.max(0, byte - before))).length;
        return { ...problem, place: { start: character(problem.place.start), end: character(problem.place.end) } };
    }

    /** Another address was opened in this page. */
    private follow(question: Question): void {
        if (address.write(question) === address.write(this.question)) {
            return;
        }
        this.draft = question.filter;
        void this.ask(question);
    }

    /** The filter is being typed. */
    type(text: string): void {
        this.draft = text;
        clearTimeout(this.typing);
        this.typing = setTimeout(() => void this.apply(), TYPING_MS);
    }

    /** Asks for the filter as it is typed. */
    async apply(): Promise<void> {
        clearTimeout(this.typing);
        if (this.draft === this.question.filter) {
            this.problem = undefined;
            return;
        }
        await this.ask({ filter: this.draft });
    }

    /** Sorts by a column, then the other way, then not. */
    async sortBy(column: Column): Promise<void> {
        if (column.sort !== undefined) {
            await this.ask({ sort: nextSort(this.question.sort, column.sort, column.right) });
        }
    }

    /** Sorts the other way. */
    async turn(): Promise<void> {
        const turned = this.order.split(",").map((key) => (key.startsWith("-") ? key.slice(1) : `-${key}`));
        if (this.order !== "") {
            await this.ask({ sort: turned.join(",") });
        }
    }

    /** Sorts anew: what moved since goes to its place, what closed goes away. */
    async anew(): Promise<void> {
        await this.ask({ sort: this.question.sort });
        this.note("Sorted anew.");
    }

    /** Groups by the next field, then not. */
    async groupNext(): Promise<void> {
        const { group, view } = this.question;
        if (view !== "connections" && view !== "listeners") {
            this.note("Only connections and listeners are grouped.");
            return;
        }
        const next = GROUPS[GROUPS.indexOf(group) + 1] ?? "";
        this.selected = 0;
        await this.ask({ group: next });
        this.note(next === "" ? "Not grouped." : `Grouped by ${next}.`);
    }

    async show(view: View): Promise<void> {
        await this.ask({ view, ...(view === this.question.view ? {} : { open: "", sort: "", columns: "", group: "" }) });
        this.close();
    }

    /** Shows the connections of the selected group. */
    async expand(): Promise<void> {
        if (this.list instanceof GroupList) {
            await this.list.openAt(this.selected);
            this.version++;
        }
    }

    /** Hides those of the group the selected row is in. */
    collapse(): void {
        if (this.list instanceof GroupList) {
            this.select(this.list.closeAt(this.selected));
            this.version++;
            this.reveal();
        }
    }

    /** Opens the selected connection, or its group. */
    async open(): Promise<void> {
        const row = this.selectedRow;
        if (row?.kind === "group") {
            await (row.isOpen ? Promise.resolve(this.collapse()) : this.expand());
            return;
        }
        const id = typeof row?.record["id"] === "string" ? row.record["id"] : "";
        if (id === "") {
            this.note("This row is no connection.");
            return;
        }
        void this.ask({ open: id });
        await this.readOpen();
    }

    /** Back to the list. */
    close(): void {
        if (this.question.open !== "") {
            void this.ask({ open: "" });
        }
        this.followed = undefined;
        this.opened = undefined;
    }

    private async readOpen(): Promise<void> {
        const id = this.question.open;
        if (id === "" || this.fields.length === 0) {
            return;
        }
        const { at } = this.question;
        if (this.followed?.id !== id || this.followed.at !== at) {
            const keys = CHARTS.flatMap((chart) => chart.fields).map((name) => this.keyOf(name));
            this.followed = new Followed(id, keys, at);
            this.followed.events.freeze(false);
            this.opened = undefined;
        }
        const { followed } = this;
        await followed.refresh();
        if (this.followed === followed && (this.frozenAt === 0 || this.opened === undefined)) {
            this.opened = followed.now();
        }
        this.version++;
    }

    /** Stops list, details and charts at the latest sample, or goes on. */
    async freeze(): Promise<void> {
        if (this.question.at !== "") {
            await this.goTo("");
            return;
        }
        if (this.frozenAt !== 0) {
            this.thaw();
            await this.tick();
            return;
        }
        const { list } = this;
        const at = (list.snapshot ?? this.health?.snapshot)?.at_us ?? 0;
        // Rows around those that are seen are read once more, so that one can scroll in what is frozen.
        const [first, end] = this.seen;
        if (!(list instanceof EventList)) {
            try {
                await list.refresh(Math.max(0, first - FROZEN_ROWS), end + FROZEN_ROWS);
            } catch (error) {
                this.fail(error);
            }
        }
        this.frozenAt = list.snapshot?.at_us ?? at;
        for (const events of [list, this.followed?.events]) {
            if (events instanceof EventList) {
                events.freeze(true);
            }
        }
        this.version++;
    }

    private thaw(): void {
        this.frozenAt = 0;
        for (const events of [this.list, this.followed?.events]) {
            if (events instanceof EventList) {
                events.freeze(false);
            }
        }
        if (this.followed !== undefined) {
            this.opened = this.followed.now();
        }
        this.version++;
    }

    /** Writes what was done last into its line. */
    note(text: string): void {
        this.noted = text;
    }

    /** Whether anything but the list of all is asked for. */
    get isPlain(): boolean {
        return address.write(this.question) === address.write(PLAIN);
    }
}

/** The page. */
export const page = new Page();
