// The pure parts of the page: formats, the arithmetic of scrolling, addresses, columns, what is taken away.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createServer } from "vite";

const vite = await createServer({ server: { middlewareMode: true, hmr: false, ws: false, watch: null }, logLevel: "error", optimizeDeps: { noDiscovery: true } });
after(async () => await vite.close());

const load = async (name) => await vite.ssrLoadModule(`/src/lib/${name}.ts`);
const format = await load("format");
const rows = await load("rows");
const address = await load("address");
const columns = await load("columns");
const take = await load("take");
const keys = await load("keys");
const past = await load("past");
const { ordered } = await load("order");
const { visible } = await load("safe");

test("quantities have three digits and a unit, as in core/src/human.rs", () => {
    const spans = [[0, "0us"], [999, "999us"], [1000, "1ms"], [80_123, "80.1ms"], [310_400, "310ms"], [2_500_000, "2.5s"], [200_000_000, "3m20s"],
        [18_720_000_000, "5h12m"], [1_047_600_000_000, "12d3h"]];
    for (const [us, text] of spans) {
        assert.equal(format.duration(us), text);
    }
    const sizes = [[0, "0B"], [999, "999B"], [1450, "1.45kB"], [999_499, "999kB"], [999_600, "1MB"], [33_100_000, "33.1MB"], [18_446_744_073_709_551_615, "18.4EB"]];
    for (const [count, text] of sizes) {
        assert.equal(format.bytes(count), text);
    }
    assert.equal(format.rate(12.5e6), "12.5MB/s");
    for (const [value, text] of [[0, "0%"], [0.04, "0.04%"], [1.84, "1.8%"], [9.97, "10%"], [45.2, "45%"]]) {
        assert.equal(format.percent(value), text);
    }
});

test("what is unknown and what does not apply are different, and neither is 0", () => {
    assert.equal(format.text({ type: "number" }, null), "?");
    assert.equal(format.text({ type: "number" }, undefined), "-");
    assert.equal(format.text({ type: "number" }, 0), "0");
    assert.equal(format.text({ type: "list" }, []), "none");
    assert.equal(format.text({ type: "list" }, [{ pid: 5, fd: null }, { pid: 6 }]), "pid 5 fd ?, pid 6");
});

test("rows of one answer are ordered by a column, those without a value last", () => {
    const rows = [["a", { n: 2, t: "b" }], ["b", { n: 10, t: "A" }], ["c", { t: "c" }], ["d", { n: null, t: "a" }], ["e", { n: 2 }]];
    const ids = (sort) => ordered(rows, sort).map(([id]) => id).join("");
    assert.equal(ids(""), "abcde");
    assert.equal(ids("n"), "aebcd");
    assert.equal(ids("-n"), "baecd");
    assert.equal(ids("t"), "bdace");
    assert.equal(ids("nothing"), "abcde");
});

test("hidden characters are seen", () => {
    assert.equal(visible("plain päckchen 日本 👍"), "plain päckchen 日本 👍");
    assert.equal(visible("\u001b]52;c;YQ==\u0007"), "\\u{1b}]52;c;YQ==\\u{7}");
    assert.equal(visible("a\u202eb\u2066c\u200bd\ufeff\n"), "a\\u{202e}b\\u{2066}c\\u{200b}d\\u{feff}\\u{a}");
    assert.equal(visible("\ud800x\u{e0041}"), "\\u{d800}x\\u{e0041}");
});

test("every row can be seen, however many there are", () => {
    for (const total of [0, 1, 10, 100_000, 499_999, 500_001, 1_000_000, 4_000_000]) {
        const scroll = { total, row: 24, view: 480 };
        assert.ok(rows.height(scroll) <= rows.MAX_HEIGHT);
        for (const at of [0, 1, Math.floor(total / 3), total - 21, total - 1].filter((at) => at >= 0 && at < total)) {
            const top = rows.topToSee(scroll, 0, at);
            assert.ok(top >= 0 && top <= Math.max(0, rows.height(scroll) - scroll.view) + 1, `${total} ${at} ${top}`);
            const [first, end] = rows.seen(scroll, top, 0);
            assert.ok(first <= at && at < end, `${at} is not among ${first} to ${end} of ${total}`);
            const place = rows.placeOf(scroll, top, at) - top;
            assert.ok(place >= -1 && place <= scroll.view - scroll.row + 1, `${at} of ${total} is drawn at ${place}`);
            // Seen already: nothing is scrolled.
            assert.ok(Math.abs(rows.topToSee(scroll, top, at) - top) < 1);
            assert.ok(Math.abs(rows.rowAt(scroll, rows.topOf(scroll, first)) - Math.min(first, Math.max(0, total - 20))) < 0.01);
        }
    }
});

test("steps into the past are whole seconds, and end at the present", () => {
    const now = 1_800_000_000_500_000;
    assert.equal(past.stepped("", -60, now), "1799999940");
    assert.equal(past.stepped("1799999940", -3600, now), "1799996340");
    assert.equal(past.stepped("1799999940.25", 59, now), "1799999999");
    assert.equal(past.stepped("1799999940", 61, now), "");
    assert.equal(past.stepped("30", -60, now), "0");
    const bucket = (from, sampled_us) => ({ from_us: from * 1e6, to_us: (from + 60) * 1e6, sampled_us, open: 5, problems: null, ended: 2, failed: 0 });
    const line = { step_us: 6e7, buckets: [bucket(1_799_999_880, 0), bucket(1_799_999_940, 6e7)], is_cut: false };
    assert.equal(past.placeOf(line, "1799999939.9"), 0);
    assert.equal(past.placeOf(line, "1799999940"), 1);
    assert.equal(past.placeOf(line, "1900000000"), 1);
    assert.equal(past.momentOf(line.buckets[0], now), "1799999939");
    assert.equal(past.momentOf(line.buckets[1], 1_799_999_960_900_000), "1799999959");
    assert.equal(past.figures(line.buckets[0]), "no agent sampled");
    assert.equal(past.figures(line.buckets[1]), "5 open, ? problems, 2 ended, 0 failed");
});

test("an address is read as it was written, and others do no harm", () => {
    const question = { view: "listeners", filter: "a == \"b&c\" #ü", sort: "-rtt,pid", group: "process", columns: "pid,rtt", hidden: true, open: "1-2", at: "1800000000.25" };
    assert.deepEqual(address.read(`#${address.write(question)}`), question);
    assert.equal(address.write(address.PLAIN), "");
    for (const text of ["", "#", "#view=x", "#open=<script>", "#at=yesterday", "#%", "#hidden=2&__proto__=1"]) {
        assert.deepEqual(address.read(text), address.PLAIN, text);
    }
});

test("columns are hidden by rank, and ends with their ports last", () => {
    const made = (key, type, width, rank) => ({ key, title: key, type, meaning: "", rank, width, right: false });
    const all = [made("process", "text", 10, null), made("local", "endpoint", 20, null), made("remote", "endpoint", 20, null), made("rtt", "duration", 8, 5), made("loss", "percent", 6, 2)];
    const names = (width) => columns.fitting(all, width).map((column) => column.key);
    assert.deepEqual(names(100), ["process", "local", "remote", "rtt", "loss"]);
    assert.deepEqual(names(62), ["process", "local", "remote", "rtt"]);
    assert.deepEqual(names(53), ["process", "local", "remote"]);
    assert.deepEqual(names(43), ["local", "remote"]);
    assert.deepEqual(names(5).length, 1);
});

test("a header sorts one way, then the other, then not", () => {
    assert.deepEqual(["", "-rtt", "rtt"].map((sort) => columns.nextSort(sort, "rtt", true)), ["-rtt", "rtt", ""]);
    assert.deepEqual(["", "pid", "-pid"].map((sort) => columns.nextSort(sort, "pid", false)), ["pid", "-pid", ""]);
    assert.equal(columns.sorted("-rtt,pid", "rtt"), "descending");
});

test("what is taken away is no formula, and one word of a shell", () => {
    assert.equal(take.csvCell("=1+1"), "'=1+1");
    assert.equal(take.csvCell("a\"b,c"), "\"a\"\"b,c\"");
    assert.equal(take.csvCell(-5), "-5");
    assert.equal(take.csvCell(null), "");
    assert.equal(take.csv(["a", "b"], [{ a: 1 }, { a: "x", b: [1] }]), "a,b\r\n1,\r\nx,[1]\r\n");
    assert.equal(take.word("it's"), "'it'\\''s'");
    const question = { ...address.PLAIN, sort: "-rtt" };
    const text = take.command(question, "process == \"$(id)\"", ["pid"], "http://a:1");
    assert.equal(text, "conns --agent http://a:1 --columns pid --sort=-rtt -- 'process == \"$(id)\"'");
});

test("the command of a moment of the past names it", () => {
    const of = (view) => take.command({ ...address.PLAIN, view, at: "1800000000.25" }, "", ["pid"], "http://a:1");
    const moment = "2027-01-15T08:00:00.250Z";
    assert.equal(of("connections"), `conns --agent http://a:1 --at ${moment} --columns pid`);
    assert.equal(of("streams"), `conns --agent http://a:1 streams --at ${moment}`);
    assert.equal(of("events"), `conns --agent http://a:1 events --since 2027-01-14T08:00:00.250Z --to ${moment}`);
});

test("no key has two meanings", () => {
    const all = keys.KEYS.flatMap((entry) => entry.keys);
    assert.equal(new Set(all).size, all.length);
    assert.equal(keys.nameOf({ key: "d", ctrlKey: true, altKey: false, metaKey: false }), "Ctrl-d");
    assert.equal(keys.actionOf(keys.nameOf({ key: "d", ctrlKey: false, altKey: false, metaKey: false })), undefined);
    assert.equal(keys.actionOf("g g"), "first");
    assert.ok(keys.begins("g") && !keys.begins("j"));
});
