// The past on the page: an agent with a history, connections of which one has ended since, and every way there and back.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { api, folder } from "./agent.mjs";
import { axe, begin, faultless } from "./begin.mjs";
import { until } from "./driver.mjs";
import { isOf, publish, rtmp } from "./media.mjs";

/** As begin(), of an agent that keeps a history; `second` answers that of its last sample. */
async function beginKept(launched, count) {
    const kept = ["--history-path", join(folder(), "state", "history.db"), "--history-size", "64MiB"];
    const begun = await begin(launched, count, "", kept);
    const second = async () => Math.floor((await api(begun.served, "/api/v1/health")).snapshot.at_us / 1e6);
    return { ...begun, second };
}

export async function past(launched) {
    const { talks, served, page, second } = await beginKept(launched, 3);
    const then = await until("three connections are kept", async () => {
        const at = await second();
        const list = await api(served, "/api/v1/connections", { at, filter: talks.filter });
        return list.total === 3 ? at : undefined;
    });
    await until("that is past", async () => (await second()) > then + 1);
    const port = talks.reset(0);
    const ended = await until("its end is kept", async () => {
        const at = await second();
        const { events } = await api(served, "/api/v1/events", { at, filter: `local_port == ${port}`, event: "closed" });
        return events.length > 0 ? at : undefined;
    });
    await page.press("r");
    await page.untilRows("two are left", (rows) => rows.length === 2);

    // The address holds the moment; what ended since is there as it was.
    await page.ask({ at: String(then) });
    const has = (rows) => rows.some((row) => row.cells.local === `127.0.0.1:${port}` && !row.classes.includes("closed"));
    await page.untilRows("three were open", (rows) => rows.length === 3 && has(rows));
    await page.untilText("#moment", new RegExp(new Date(then * 1000).toISOString().replace(".000Z", "Z")));
    await page.untilText("#figures", /[0-9]+ open, [0-9?]+ problems, [0-9]+ ended, [0-9]+ failed/);
    assert.equal(await page.evaluate(() => document.querySelector("input[type=range]").getAttribute("aria-label")), "Moment");
    await axe(page);
    // It stands still, is sorted and grouped, and one connection is opened.
    await page.press("g");
    await page.untilRows("groups", (rows) => rows[0]?.classes.includes("group"));
    await page.ask({ group: "", sort: "-local_port" });
    await page.untilRows("by port", (rows) => {
        const ports = rows.map((row) => Number(row.cells.local?.split(":").at(-1)));
        return ports.length === 3 && String(ports) === String(ports.toSorted((a, b) => b - a));
    });
    await page.filtered(`${talks.filter} and local_port == ${port}`);
    await page.untilRows("the one", (rows) => rows.length === 1 && has(rows));
    await page.press("Enter");
    await page.untilText(".why", /sure/);
    await axe(page);
    await page.press("Escape");
    assert.match(await page.hash(), new RegExp(`at=${then}`));
    // Events are those before the moment.
    await page.press("4");
    await page.untilText(".list .none", /Nothing here/);
    await page.ask({ at: String(ended) });
    await page.untilRows("its end", (rows) => rows.some((row) => row.cells.event === "closed" && row.cells.local === `127.0.0.1:${port}`));
    // Esc returns to the present, where it is not listed.
    await page.press("1", "Escape");
    await until("the present", async () => !/at=/.test(await page.hash()));
    await page.untilRows("nothing", (rows) => rows.length === 0);
    assert.equal(await page.evaluate(() => document.querySelector("input[type=range]")), null);
    // A step to a time in which no agent sampled leaves what is shown, and reports when one did.
    await page.press("{");
    await page.untilText(".noted", /no agent sampled then; the nearest time at which one did is .*an agent sampled from/);
    assert.doesNotMatch(await page.hash(), /at=/);
    await page.press("]");
    await page.untilText(".noted", /This is the present/);
    faultless(page);
}

/** A stream that has ended since, and the commands that give what is shown of the past. */
export async function past_streams(launched) {
    const { served, page, second } = await beginKept(launched, 1);
    await page.filtered("");
    const ffmpeg = publish(await rtmp(page));
    await page.press("5");
    await page.untilRows("the publisher", (rows) => rows.some(isOf("publisher")));
    // What is open is kept each minute.
    const then = await until("the stream is kept", async () => {
        const at = await second();
        const { streams } = await api(served, "/api/v1/streams", { at });
        return streams.some((stream) => stream.name === "street") ? at : undefined;
    }, 90_000);
    ffmpeg.child.kill();
    await page.untilRows("none is published", (rows) => rows.every((row) => row.classes.includes("closed")));
    await page.press("r");
    await page.untilRows("nothing", (rows) => rows.length === 0);

    await page.ask({ at: String(then) });
    const [row] = await page.untilRows("the publisher of then", (rows) => rows.length === 1 && rows.some(isOf("publisher")));
    assert.ok(!row.classes.includes("closed"));
    const [stream] = (await api(served, "/api/v1/streams", { at: then })).streams;
    assert.equal(row.cells.remote, stream.publishers[0].remote);
    const command = async () => {
        await page.press("e");
        await page.evaluate(() => document.querySelector("dialog input[value=command]").click());
        await until("the command", async () => /^conns /.test(await page.text("#export")));
        const text = await page.text("#export");
        await page.press("Escape");
        const run = spawnSync("sh", ["-c", text.replace(/^conns/, '"$CONNS"')]);
        return [text, run.stdout.toString(), run.stderr.toString()];
    };
    const moment = new Date(then * 1000).toISOString();
    const [streamsCommand, streams, why] = await command();
    assert.ok(streamsCommand.endsWith(` streams --at ${moment}`), streamsCommand);
    assert.match(streams, /street +.*publisher/, why);
    // Transfers are those of the moment, too: none, and no command lists them.
    await page.press("6");
    await page.untilText(".list .none", /Nothing here/);
    await page.press("e");
    assert.equal(await page.evaluate(() => document.querySelector("dialog input[value=command]")), null);
    await page.press("Escape");
    // The command of events names the day before the moment.
    const local = stream.publishers[0].local;
    const ended = await until("its end is kept", async () => {
        const at = await second();
        const { events } = await api(served, "/api/v1/events", { at, filter: `local == ${local}`, event: "closed" });
        return events.length > 0 ? at : undefined;
    });
    await page.press("4");
    await page.ask({ at: String(ended) });
    await page.untilRows("its end", (rows) => rows.some((row) => row.cells.event === "closed" && row.cells.local === local));
    const [eventsCommand, events, lack] = await command();
    const times = [ended - 86_400, ended].map((at) => new Date(at * 1000).toISOString());
    assert.ok(eventsCommand.endsWith(` events --since ${times[0]} --to ${times[1]}`), eventsCommand);
    assert.ok(events.split("\n").some((line) => / closed /.test(line) && line.includes(local)), `${events}\n${lack}`);
    faultless(page);
}
