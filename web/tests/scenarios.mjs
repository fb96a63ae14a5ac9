// What a reader of the page does, and what must then be seen: each against a real agent with real sockets.

import assert from "node:assert/strict";
import { NETNS, Talks, agent, api, folder, named, token as newToken } from "./agent.mjs";
import { axe, begin, faultless } from "./begin.mjs";
import { open, until } from "./driver.mjs";

/** The local port of each row, which identifies the connection. */
const ports = (rows) => rows.map((row) => Number(row.cells.local?.split(":").at(-1)));

export async function filter_as_typed(launched) {
    const { talks, page } = await begin(launched, 4);
    const [port] = ports(await page.rows());
    // Without Enter.
    await page.filter(`${talks.filter} and local_port == ${port}`);
    await page.untilRows("the one connection", (rows) => rows.length === 1 && ports(rows)[0] === port);
    // An error shows its place, and the list stays that of the last good filter.
    await page.tab.keyboard.type(" and rtx > 5");
    await page.untilText("#filter-problem", /unknown field `rtx`/);
    const text = await page.text("#filter");
    assert.equal(text, "");
    const draft = await page.evaluate(() => document.getElementById("filter").value);
    const place = await page.text("#filter-problem .place");
    assert.equal(place.indexOf("^"), draft.indexOf("rtx"));
    assert.equal(place.trim(), "^^^");
    assert.match(await page.text("#filter-problem"), new RegExp(`at character ${draft.indexOf("rtx") + 1}:`));
    const { snapshot } = await page.api("/api/v1/health");
    await until("three samples later", async () => (await page.api("/api/v1/health")).snapshot.sequence >= snapshot.sequence + 3);
    assert.match(await page.text("#filter-problem"), /rtx/);
    assert.equal((await page.rows()).length, 1);
    assert.equal(await page.evaluate(() => document.getElementById("filter").getAttribute("aria-invalid")), "true");
    // Mended, it is removed.
    for (let i = 0; i < " and rtx > 5".length; i++) {
        await page.press("Backspace");
    }
    await until("the error is removed", async () => (await page.text("#filter-problem")).trim() === "");
    faultless(page);
}

export async function complete_by_tab(launched) {
    const { talks, page } = await begin(launched, 2);
    // One candidate is written.
    await page.filter("remote_po");
    await page.press("Tab");
    await until("it is completed", async () => (await page.evaluate(() => document.getElementById("filter").value)) === "remote_port ");
    // Several are listed, with what they mean; an arrow and Enter choose one.
    await page.filter("rt");
    await page.press("Tab");
    const options = await until("a list", async () => {
        const found = await page.evaluate(() => [...document.querySelectorAll("[role=option]")].map((one) => one.textContent));
        return found.length > 1 ? found : undefined;
    });
    assert.ok(options.some((text) => /^rtt\s+Smoothed round trip time/.test(text)), String(options));
    await page.press("ArrowDown", "ArrowUp", "Enter");
    await until("one is chosen", async () => / $/.test(await page.evaluate(() => document.getElementById("filter").value)));
    // A filter is kept under a name, also over a new load of the page.
    await page.filtered(talks.filter);
    page.tab.removeAllListeners("dialog");
    page.tab.once("dialog", (dialog) => void dialog.accept("mine"));
    await page.button("Keep");
    await until("it is kept", async () => (await page.text("select")).includes("mine"));
    await page.tab.goto("about:blank");
    await page.tab.goto(`${page.url}/`);
    await until("it is there again", async () => (await page.text("select")).includes("mine"));
    await page.evaluate(() => {
        const select = document.querySelector("select");
        select.value = "mine";
        select.dispatchEvent(new Event("change", { bubbles: true }));
    });
    await page.untilRows("its rows", (rows) => rows.length === 2);
    faultless(page);
}

export async function rows_hold_still(launched) {
    const { talks, page } = await begin(launched, 6, "&sort=-bytes_out");
    await page.press("j", "j");
    const before = await page.untilRows("the third is selected", (rows) => rows[2]?.isSelected);
    const order = ports(before);
    // The last one sends most: its value changes in place.
    const last = talks.sockets.findIndex((socket) => socket.localPort === order.at(-1));
    await talks.send(last, 50_000);
    const [fresh] = await talks.add(1);
    const second = talks.sockets.findIndex((socket) => socket.localPort === order[1]);
    talks.reset(second);
    await page.click("[aria-label=connections]");
    const after = await page.untilRows("what closed is marked and what opened is last", (rows) =>
        rows.length === 7 && rows[1].classes.includes("closed") && rows.at(-1).cells.local === `127.0.0.1:${fresh}`);
    assert.deepEqual(ports(after).slice(0, 6), order);
    assert.match(after[1].sign, /closed/);
    assert.equal(after[2].id, before[2].id);
    assert.ok(after[2].isSelected);
    // Sorted anew the one that sent is first, the closed one is removed, and the selection follows its connection.
    await page.press("r");
    const sorted = await page.untilRows("sorted anew", (rows) => rows.length === 6 && ports(rows)[0] === order.at(-1));
    assert.equal(sorted.find((row) => row.isSelected)?.id, before[2].id);
    faultless(page);
}

export async function freeze(launched) {
    const { talks, page } = await begin(launched, 3, "&columns=local,remote,bytes_out,send_queue");
    await page.press("Space");
    await page.untilText("#frozen", /^\d\d:\d\d:\d\d$/);
    const frozen = await page.rows();
    await talks.send(0, 12_345);
    await talks.add(1);
    const sequence = async () => (await page.api("/api/v1/health")).snapshot.sequence;
    const from = await sequence();
    await until("three samples later", async () => (await sequence()) >= from + 3);
    const still = await page.rows();
    assert.deepEqual(still.map((row) => row.cells), frozen.map((row) => row.cells));
    // The events of meanwhile are kept, and shown when it goes on.
    await page.press("Space");
    await page.untilRows("the present", (rows) => rows.length === 4 && rows.some((row) => row.cells.bytes_out?.startsWith("12.3kB")));
    await page.press("4");
    await page.untilRows("events", (rows) => rows.length >= 1 && rows.some((row) => row.cells.event === "opened"));
    await page.press("Space");
    await page.untilText("#frozen", /:/);
    const count = (await page.rows()).length;
    const [port] = await talks.add(1);
    const later = await sequence();
    await until("three samples later", async () => (await sequence()) >= later + 3);
    assert.equal((await page.rows()).length, count);
    await page.press("Space");
    await page.untilRows("the event of meanwhile", (rows) => rows.some((row) => row.cells.local?.endsWith(`:${port}`)));
    faultless(page);
}

export async function why(launched) {
    const { talks, page } = await begin(launched, 3, "&sort=local_port");
    await page.press("j");
    const [, chosen] = await page.untilRows("the second", (rows) => rows[1]?.isSelected);
    await page.press("Enter");
    await page.untilText(".detail h2", new RegExp(`${chosen.cells.local}.*${chosen.cells.remote}`));
    const id = new URLSearchParams((await page.hash()).slice(1)).get("open");
    assert.equal(id, chosen.id);
    await page.untilText(".why", /% sure: \S+/);
    const { verdict } = await page.api(`/api/v1/connections/${id}/verdict`);
    const evidence = await page.evaluate(() => [...document.querySelectorAll(".detail details th")].map((one) => one.textContent));
    assert.deepEqual(evidence.slice().sort(), Object.keys(verdict.evidence).sort());
    // Every owner, and every field with its source or why it is unknown.
    const { connection } = await page.api(`/api/v1/connections/${id}`, { explain: 1 });
    const owners = await page.evaluate(() => [...document.querySelectorAll("[data-list=owners] tbody tr")].map((row) => row.cells[0].textContent));
    assert.deepEqual(owners, connection.owners.map((owner) => String(owner.pid)));
    const { fields } = await page.api("/api/v1/fields");
    const drawn = await page.evaluate(() => Object.fromEntries([...document.querySelectorAll("[data-field]")].map((row) => [row.dataset.field, row.cells[2].textContent])));
    for (const field of fields.filter((field) => connection[field.key] !== undefined && field.key !== "owners" && field.key !== "peers")) {
        assert.ok(drawn[field.name], `${field.name} is not there`);
        if (connection[field.key] === null) {
            assert.equal(drawn[field.name], connection.explain.unknown[field.key], field.name);
        }
    }
    // Four charts that grow.
    assert.equal((await page.evaluate(() => document.querySelectorAll(".detail [role=img] canvas").length)), 4);
    await until("points", async () => page.evaluate(() =>
        [...document.querySelectorAll(".detail [role=img]")].every((one) => Number(/over (\d+) samples/.exec(one.getAttribute("aria-label"))[1]) >= 3)));
    // It closes under the reader: its last record stays, and its end is among its events.
    talks.reset(talks.sockets.findIndex((socket) => `127.0.0.1:${socket.localPort}` === chosen.cells.local));
    await page.untilText(".detail", /Closed: this is its last record/);
    await page.untilText(".detail .events", /closed/);
    // Back to the same row.
    await page.press("Escape");
    const rows = await page.untilRows("the list", (rows) => rows.length === 3);
    assert.equal(rows.find((row) => row.isSelected)?.id, chosen.id);
    faultless(page);
}

export async function sort_and_group(launched) {
    const { talks, page } = await begin(launched, 5);
    const local = async () => ports(await page.rows());
    const header = (name) => page.evaluate((name) => {
        const head = [...document.querySelectorAll("[role=columnheader]")].find((one) => one.textContent.trim().startsWith(name));
        return head.getAttribute("aria-sort");
    }, name);
    const click = (name) => page.evaluate((name) => {
        [...document.querySelectorAll("[role=columnheader] button")].find((one) => one.textContent.trim().startsWith(name)).click();
    }, name);
    await click("local");
    await until("by local, ascending", async () => (await header("local")) === "ascending");
    await until("sorted", async () => String(await local()) === String((await local()).sort((a, b) => a - b)));
    const up = await local();
    await click("local");
    await until("descending", async () => String(await local()) === String(up.slice().reverse()) && (await header("local")) === "descending");
    // S turns the order, s sorts by the chosen column.
    await page.press("S");
    await until("turned", async () => (await header("local")) === "ascending" && String(await local()) === String(up));
    for (let i = 0; i < 20; i++) {
        await page.press("ArrowLeft");
    }
    await page.press("s");
    await until("by the first column", async () => (await header("process")) === "ascending");
    // Groups, in the order that g names.
    for (const group of ["process", "unit", "container", "remote_addr", "remote_name", "remote_port", "app", "verdict"]) {
        await page.press("g");
        await until(`by ${group}`, async () => new URLSearchParams((await page.hash()).slice(1)).get("group") === group);
        await page.untilRows("a group", (rows) => rows.length >= 1 && rows[0].classes.includes("group"));
    }
    const [group] = await page.rows();
    assert.equal(group.cells.connections, "5");
    // Opened and closed with the arrows.
    await page.press("ArrowRight");
    const opened = await page.untilRows("its connections", (rows) => rows.length === 6);
    assert.ok(opened.slice(1).every((row) => row.classes.includes("member") && row.cells.remote === `127.0.0.1:${talks.far}`));
    // They have the cells of the list, below each other.
    const places = await page.evaluate(() =>
        [...document.querySelectorAll(".member")].map((row) => [...row.querySelectorAll("[data-key]")].map((cell) => `${cell.dataset.key} ${cell.getBoundingClientRect().left}`)),
    );
    assert.ok(places.length === 5 && places[0].length > 3 && places.every((one) => String(one) === String(places[0])), JSON.stringify(places));
    await page.press("j", "j", "ArrowLeft");
    await page.untilRows("closed", (rows) => rows.length === 1 && rows[0].isSelected);
    await page.press("g");
    await page.untilRows("no groups", (rows) => rows.length === 5);
    faultless(page);
}

export async function views(launched) {
    const { talks, page } = await begin(launched, 3);
    await page.filtered("");
    const current = async () => (await page.text("[aria-current=page]")).trim();
    await page.press("2");
    await page.untilRows("this process", (rows) => rows.some((row) => row.id === String(process.pid) && row.cells.pid === row.id));
    assert.match(await current(), /processes/);
    // Sorted by pid. Processes that came since are at the end, so only those before this one are in order.
    for (const [order, sign] of [["descending", -1], ["ascending", 1]]) {
        await page.evaluate(() => {
            [...document.querySelectorAll("[role=columnheader] button")].find((one) => one.textContent.trim().startsWith("pid")).click();
        });
        await until(order, async () => await page.evaluate((order) => document.querySelector(`[aria-sort=${order}]`) !== null, order));
        await page.untilRows(`by pid, ${order}`, (rows) => {
            const before = rows.slice(0, rows.findIndex((row) => row.id === String(process.pid)) + 1).map((row) => Number(row.id));
            return before.length > 0 && String(before) === String(before.slice().sort((a, b) => sign * (a - b)));
        });
    }
    await page.press("3");
    await page.untilRows("the server", (rows) => rows.some((row) => row.cells.local === `127.0.0.1:${talks.far}`));
    // Not the events of all other programs of the machine.
    await page.filtered(`netns_inode == ${NETNS}`);
    await page.press("4");
    const [port] = await talks.add(1);
    await page.untilRows("an event", (rows) => rows.some((row) => row.cells.event === "opened" && row.cells.local === `127.0.0.1:${port}`));
    talks.reset(talks.sockets.length - 1);
    await page.untilRows("its end", (rows) => rows.some((row) => row.cells.event === "closed" && row.cells.local === `127.0.0.1:${port}`));
    // A connect that fails.
    const { connect } = await import("node:net");
    connect(1, "127.0.0.1").on("error", () => undefined);
    await page.untilRows("a failure", (rows) => rows.some((row) => row.cells.event === "failed" && row.cells.remote === "127.0.0.1:1"));
    await events_sorted(page, talks);
    for (const [key, name] of [["5", "streams"], ["6", "transfers"]]) {
        await page.press(key);
        await until(name, async () => (await current()).includes(name));
        await page.untilText(".none", /Nothing here/);
    }
    await page.press("1");
    await page.untilRows("connections", (rows) => rows.length >= 3);
    // Loopback is hidden by the API, and comes back.
    await page.filtered(talks.filter);
    // The one that was reset may still have been in the list when it was made.
    await page.untilRows("three are open", (rows) => rows.filter((row) => !row.classes.includes("closed")).length === 3);
    await page.press("r");
    await page.untilRows("three", (rows) => rows.length === 3);
    await page.press("h");
    await page.untilText(".none", /Nothing here/);
    await page.press("h");
    await page.untilRows("three", (rows) => rows.length === 3);
    // Totals are those of the filter.
    await page.untilText("[aria-label=Totals]", /^\s*3 connections/);
    faultless(page);
}

/** The newest event is first; a header sorts those that are there, and the selected one stays where it is read. */
async function events_sorted(page, talks) {
    const times = (rows) => rows.map((row) => row.cells.at_us);
    const isFalling = (texts) => String(texts) === String(texts.slice().sort().reverse());
    await page.untilRows("the newest is first", (rows) => rows.length >= 3 && isFalling(times(rows)));
    await page.press("j");
    const selected = (await page.untilRows("the second is selected", (rows) => rows[1]?.isSelected))[1];
    await talks.add(1);
    await page.untilRows("it is still selected, and lower", (rows) => rows.some((row) => row.isSelected && row.id === selected.id && row.at > 1));
    talks.reset(talks.sockets.length - 1);
    const sortedBy = async (key, order) => {
        await page.evaluate((title) => {
            [...document.querySelectorAll("[role=columnheader] button")].find((one) => one.textContent.trim().startsWith(title)).click();
        }, key);
        await until(order, async () => await page.evaluate((order) => document.querySelector(`[aria-sort=${order}]`)?.textContent.trim(), order).then((text) => text?.startsWith(key)));
    };
    // Those that come since are behind.
    const newest = Math.max(...(await page.rows()).map((row) => Number(row.id)));
    await sortedBy("event", "ascending");
    const kinds = (rows) => rows.filter((row) => Number(row.id) <= newest).map((row) => row.cells.event);
    await page.untilRows("by kind", (rows) => rows.length >= 3 && String(kinds(rows)) === String(kinds(rows).slice().sort()));
    await page.untilRows("the same is selected", (rows) => rows.some((row) => row.isSelected && row.id === selected.id));
    await sortedBy("event", "descending");
    // A third time: the newest first again.
    await page.evaluate(() => {
        [...document.querySelectorAll("[role=columnheader] button")].find((one) => one.textContent.trim().startsWith("event")).click();
    });
    await page.untilRows("the newest is first again", (rows) => rows.length >= 3 && isFalling(times(rows)));
}

export async function address_holds_state(launched) {
    const { talks, page } = await begin(launched, 4, "&sort=-local_port&columns=local%2Crtt%2Cstate");
    const rows = await page.untilRows("rows", (rows) => rows.length === 4);
    assert.deepEqual(Object.keys(rows[0].cells), ["local", "rtt_us", "state"]);
    const hash = await page.hash();
    const other = await open(launched, `${page.url}/${hash}`);
    const same = await other.untilRows("the same rows", (rows) => rows.length === 4);
    assert.deepEqual(ports(same), ports(rows));
    assert.equal(await other.evaluate(() => document.getElementById("filter").value), talks.filter);
    // A column is chosen in the dialog, and is in the address.
    await other.press("c");
    await until("the dialog", async () => (await other.text("dialog h2")) === "Columns");
    await other.evaluate(() => {
        [...document.querySelectorAll("dialog label")].find((one) => /^\s*rtt\s/.test(one.textContent)).querySelector("input").click();
    });
    await other.press("Escape");
    await other.untilRows("without rtt", (rows) => String(Object.keys(rows[0].cells)) === "local,state");
    assert.match(await other.hash(), /columns=local%2Cstate/);
    // An address that names nothing that exists.
    const broken = await open(launched, `${page.url}/#view=nothing&filter=rtx%20%3D%3D%201&sort=nothing&open=%3Cscript%3E`);
    await broken.untilText("footer", /Not read.*/);
    faultless(page);
    faultless(other);
    faultless(broken);
}

export async function copy_and_export(launched) {
    const { talks, page } = await begin(launched, 3, "&columns=local,remote,bytes_out&sort=local_port");
    const rows = await page.rows();
    const exported = async (name) => {
        await page.evaluate((name) => document.querySelector(`dialog input[value=${name}]`).click(), name);
        await until(name, async () => (await page.evaluate(() => document.querySelector("dialog input:checked").value)) === name);
        return await page.text("#export");
    };
    await page.press("e");
    await page.untilText("dialog [role=status]", /^3 of 3 rows/);
    const json = JSON.parse(await exported("json"));
    assert.deepEqual(json.map((record) => record.local), rows.map((row) => row.cells.local));
    const lines = (await exported("csv")).trim().split(/\\u\{d\}\n|\n/);
    assert.equal(lines[0], "id,local,remote,bytes_out");
    assert.deepEqual(lines.slice(1).map((line) => line.split(",")[1]), rows.map((row) => row.cells.local));
    const command = await exported("command");
    assert.match(command, /^conns --agent http:\/\/127\.0\.0\.1:\d+ --columns local,remote,bytes_out --sort=local_port -- '/);
    // The command gives the same.
    const { spawnSync } = await import("node:child_process");
    const run = spawnSync("sh", ["-c", command.replace(/^conns/, "\"$CONNS\" -o json")]);
    const records = JSON.parse(run.stdout.toString()).connections;
    assert.deepEqual(records.map((record) => record.local), rows.map((row) => row.cells.local), run.stderr.toString());
    // The older command of browsers is used where there is no clipboard; what was copied is seen in a field it is put in.
    await page.press("Escape");
    await until("closed", async () => (await page.text("dialog")) === "");
    await page.evaluate(() => {
        window.copied = [];
        navigator.clipboard.writeText = (text) => {
            window.copied.push(text);
            return Promise.resolve();
        };
    });
    const copied = () => page.evaluate(() => window.copied.at(-1));
    await page.press("y");
    await until("the dialog", async () => (await page.text("dialog h2")) === "Copy");
    await page.button("The row");
    await until("the row", async () => (await copied()) === [rows[0].cells.local, rows[0].cells.remote, rows[0].cells.bytes_out].join("\t"));
    await page.press("y");
    await until("the dialog", async () => (await page.text("dialog h2")) === "Copy");
    await page.button("remote");
    await until("an address", async () => (await copied()) === rows[0].cells.remote);
    await page.evaluate(() => {
        navigator.clipboard.writeText = () => Promise.reject(new Error("no"));
        document.execCommand = (command) => {
            window.copied.push(`${command} ${document.activeElement.value}`);
            return true;
        };
    });
    await page.press("y");
    await until("the dialog", async () => (await page.text("dialog h2")) === "Copy");
    await page.button("local");
    await until("by the older command", async () => (await copied()) === `copy ${rows[0].cells.local}`);
    assert.ok(talks);
    faultless(page);
}

export async function keyboard_only(launched) {
    const { page } = await begin(launched, 120, "&sort=local_port");
    const selected = async () => (await page.rows()).find((row) => row.isSelected)?.at;
    const at = (place) => until(`row ${place} is selected and seen`, async () => {
        const seen = await page.evaluate((place) => {
            const row = document.getElementById(`row-${place}`)?.getBoundingClientRect();
            const grid = document.querySelector(".grid").getBoundingClientRect();
            return row !== undefined && row.top >= grid.top && row.bottom <= grid.bottom + 1;
        }, place);
        return (await selected()) === place && seen;
    });
    await page.press("j", "ArrowDown", "k");
    await at(1);
    await page.press("G");
    await at(119);
    await page.press("g", "g");
    await at(0);
    await page.press("PageDown");
    const down = await until("a page down", async () => {
        const place = await selected();
        return place > 5 ? place : undefined;
    });
    await page.press("PageUp");
    await at(0);
    await page.tab.keyboard.down("Control");
    await page.press("d");
    await page.tab.keyboard.up("Control");
    await until("half a page", async () => Math.abs((await selected()) - down / 2) <= 1);
    await page.tab.keyboard.down("Control");
    await page.press("u");
    await page.tab.keyboard.up("Control");
    await at(0);
    await page.press("End");
    await at(119);
    await page.press("Home");
    await at(0);
    await page.press("?");
    await page.untilText("dialog", /hide loopback/);
    await page.press("Escape");
    await until("closed", async () => (await page.text("dialog")) === "");
    // What has the focus is the list, and what is selected is named to assistive technology.
    await page.press("Escape");
    const named = await page.evaluate(() => [document.activeElement.getAttribute("role"), document.activeElement.getAttribute("aria-activedescendant")]);
    assert.deepEqual(named, ["grid", "row-0"]);
    const roles = await page.evaluate(() => {
        const grid = document.querySelector(".grid");
        return [grid.getAttribute("aria-rowcount"), document.getElementById("row-0").getAttribute("aria-rowindex")];
    });
    assert.deepEqual(roles, ["121", "2"]);
    // Fewer are drawn than there are.
    assert.ok((await page.rows()).length < 80);
    // Every control is reached by Tab.
    const reached = new Set();
    await page.evaluate(() => document.querySelector("nav button").focus());
    for (let i = 0; i < 40; i++) {
        await page.press("Tab");
        reached.add(await page.evaluate(() => document.activeElement.textContent.trim() || document.activeElement.id));
    }
    for (const name of ["2 processes", "Freeze", "Columns", "Export", "Help"]) {
        assert.ok(reached.has(name), `${name} is not among ${[...reached].map((one) => one.slice(0, 20))}`);
    }
    faultless(page);
}

export async function clock_is_set(launched) {
    const { page } = await begin(launched, 1);
    for (const hours of [1, -2]) {
        await page.evaluate((hours) => {
            const { now } = Date;
            Date.now = () => now() + hours * 3_600_000;
        }, hours);
        const from = (await page.api("/api/v1/health")).snapshot.sequence;
        await until("three samples later", async () => (await page.api("/api/v1/health")).snapshot.sequence >= from + 3);
        assert.match(await page.text(".age"), /^\d+(\.\d+)?m?s$/);
    }
    faultless(page);
}

export async function agent_restarts(launched) {
    const { talks, served, page } = await begin(launched, 3);
    await page.press("j");
    await served.stop("SIGKILL");
    const alert = await page.untilText("footer [role=alert]", /The agent does not answer/);
    assert.match(alert, /✗.*is \d+(\.\d)?m?s old/);
    // What was there stays on the page, with its age.
    assert.equal((await page.rows()).length, 3);
    await until("it ages", async () => /data [1-9]\d*(\.\d+)?s old/.test(await page.text(".line")));
    const again = await agent(`http=127.0.0.1:${served.port}`);
    await until("it answers again", async () => (await page.text("footer [role=alert]")).trim() === "");
    await page.untilText(".noted", /restarted/);
    const [port] = await talks.add(1);
    await page.untilRows("the rows of the new agent", (rows) => rows.some((row) => row.cells.local?.endsWith(`:${port}`) && !row.classes.includes("closed")));
    assert.equal((await api(again, "/api/v1/connections", { filter: talks.filter })).total, 4);
    faultless(page);
}

export async function token(launched) {
    const talks = await Talks.open(2);
    const { token: good, hash } = newToken();
    const { writeFileSync } = await import("node:fs");
    const file = `${folder()}/conns.toml`;
    const tokens = (hashes) => writeFileSync(file, `tokens = [${hashes.map((hash) => `"${hash}"`)}]\n`);
    tokens([hash]);
    const served = await agent("http=127.0.0.1:0", ["--config", file]);
    const page = await open(launched, `${served.url}/#filter=${encodeURIComponent(talks.filter)}`);
    await page.untilText("dialog [role=alert]", /only to those who have a token/);
    const give = async (text) => {
        await page.tab.focus("#token");
        await page.evaluate(() => (document.getElementById("token").value = ""));
        await page.tab.type("#token", text);
        await page.press("Enter");
    };
    await give("conns_wrong");
    await page.untilText("dialog [role=alert]", /does not accept this token/);
    await give(good);
    await page.untilRows("the rows", (rows) => rows.length === 2);
    assert.equal(await page.text("dialog"), "");
    // Nothing of it is kept outside of the page's memory.
    const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href]));
    assert.ok(!kept.includes(good) && !kept.includes("conns_"), kept);
    // Withdrawn under the open page.
    tokens([newToken().hash]);
    served.child.kill("SIGHUP");
    await page.untilText("dialog [role=alert]", /is wrong, or was withdrawn/);
    faultless(page);
}

export async function two_tabs(launched) {
    const { talks, page } = await begin(launched, 4, "&sort=local_port");
    const other = await open(launched, `${page.url}/#filter=${encodeURIComponent(talks.filter)}&sort=-local_port`);
    const theirs = await other.untilRows("four", (rows) => rows.length === 4);
    assert.deepEqual(ports(theirs), ports(await page.rows()).reverse());
    await other.press("Space");
    await other.untilText("#frozen", /:/);
    const [port] = await talks.add(1);
    await page.tab.bringToFront();
    await page.untilRows("the new one in the first tab", (rows) => rows.length === 5 && ports(rows)[4] === port);
    assert.equal((await other.rows()).length, 4);
    assert.equal(await page.text("#frozen"), "");
    faultless(page);
    faultless(other);
}

export async function hostile_names(launched) {
    const talks = await Talks.open(0);
    const served = await agent();
    const names = ["<img onerror=a>", "\u001b]52;c;YQ==\u0007", "\u202eevil\u202c", "a&b\"'`{x}"];
    for (const name of names) {
        await named(name, talks.far);
    }
    const page = await open(launched, `${served.url}/#filter=${encodeURIComponent(talks.filter)}&columns=process,local,cmdline`);
    const rows = await page.untilRows("four", (rows) => rows.length === 4);
    const shown = rows.map((row) => row.cells.process).sort();
    const escaped = ["<img onerror=a>", "\\u{1b}]52;c;YQ==\\u{7}", "\\u{202e}evil\\u{202c}", "a&b\"'`{x}"].sort();
    assert.deepEqual(shown, escaped);
    // Also in groups, in the open connection, and where it is taken away.
    await page.press("g");
    await page.untilRows("groups", (rows) => rows.length === 4 && rows[0].classes.includes("group"));
    assert.deepEqual((await page.rows()).map((row) => row.cells.process).sort(), escaped);
    for (let at = 0; at < 4; at++) {
        await page.press("G");
        for (let i = 0; i < 9; i++) {
            await page.press("k");
        }
        for (let i = 0; i < at; i++) {
            await page.press("j");
        }
        await page.press("ArrowRight");
        await page.untilRows("one connection of it", (rows) => rows.length === 5);
        await page.press("ArrowLeft");
        await page.untilRows("closed", (rows) => rows.length === 4);
    }
    await page.ask({ group: "" });
    await page.untilRows("four", (rows) => rows.length === 4 && rows[0].classes.includes("row"));
    for (let at = 0; at < 4; at++) {
        await page.press("Enter");
        await page.untilText(".detail [data-field=process]", /process/);
        assert.ok(escaped.includes(await page.evaluate(() => document.querySelector("[data-field=process]").cells[1].textContent)));
        await page.press("Escape", "j");
    }
    await page.press("e");
    await page.untilText("dialog [role=status]", /^4 of 4/);
    assert.equal(await page.evaluate(() => document.querySelectorAll("img").length), 0);
    assert.ok(!/[\u0000-\u0008\u000b-\u001f\u202a-\u202e]/.test(await page.evaluate(() => document.body.innerText)));
    faultless(page);
}

export async function narrow_and_zoomed(launched) {
    const talks = await Talks.open(2);
    const served = await agent();
    const page = await open(launched, `${served.url}/#filter=${encodeURIComponent(talks.filter)}`);
    await page.untilRows("two", (rows) => rows.length === 2);
    const keys = async () => Object.keys((await page.rows())[0]?.cells ?? {});
    const all = await keys();
    assert.equal(all.length, 11);
    let before = all.length;
    // A page zoomed to 200 % has half the width; 400 % of 1280 is 320.
    for (const width of [900, 700, 520, 320]) {
        await page.tab.setViewport({ width, height: 600 });
        const shown = await until(`fewer columns at ${width}`, async () => {
            const shown = await keys();
            return shown.length > 0 && shown.length < before ? shown : undefined;
        });
        before = shown.length + (width === 520 ? 1 : 0);
        // What is there has a place, and nothing is cut at its port.
        const cut = await page.evaluate(() => [...document.querySelectorAll("[data-key=local], [data-key=remote]")].filter((cell) => cell.scrollWidth > cell.clientWidth).map((cell) => cell.textContent));
        assert.deepEqual(cut, [], `at ${width}`);
        const beyond = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
        assert.equal(beyond, false, `the page is wider than ${width}`);
    }
    // Text that is twice as large.
    await page.tab.setViewport({ width: 1400, height: 800 });
    await page.evaluate(() => (document.documentElement.style.zoom = "2"));
    await until("fewer columns", async () => (await keys()).length < 11);
    await page.press("j");
    await page.untilRows("the second row", (rows) => rows[1]?.isSelected);
    faultless(page);
}

export async function cells_are_those_of_conns(launched) {
    const talks = await Talks.open(9);
    await talks.send(0, 123_456);
    await talks.send(1, 999);
    const served = await agent();
    const names = "process,pid,proto,state,direction,local,remote,bytes_out,bytes_in,recv_queue,send_queue,rtt,loss,user,container,unit,verdict,cookie";
    const filter = `port == ${talks.far} and netns_inode == ${NETNS}`;
    const page = await open(launched, `${served.url}/#filter=${encodeURIComponent(filter)}&columns=${names}&sort=local_port`);
    await page.tab.setViewport({ width: 3000, height: 900 });
    await page.untilRows("all ends", (rows) => rows.length === 18 && Object.keys(rows[0].cells).length === 18);
    // What sends now and then has figures that move: the page is frozen at a sample, and the API is asked for the same one.
    const { fields } = await page.api("/api/v1/fields");
    const answer = await until("one sample, on the page and from the API", async () => {
        await page.press("Space");
        await page.untilText("#frozen", /:/);
        const api = await page.api("/api/v1/connections", { filter, sort: "local_port", fields: names });
        const rows = await page.rows();
        const sequence = await page.evaluate(() => document.querySelector(".grid").dataset.sequence);
        if (String(api.snapshot.sequence) === sequence) {
            return { api, rows };
        }
        await page.press("Space");
        await until("it goes on", async () => (await page.text("#frozen")) === "");
        return undefined;
    });
    for (const row of answer.rows) {
        const record = answer.api.connections.find((one) => one.id === row.id);
        for (const name of names.split(",")) {
            const field = fields.find((field) => field.name === name);
            const value = record[field.key];
            const cell = row.cells[field.key];
            if (value === undefined) {
                assert.equal(cell, "-", name);
            } else if (value === null) {
                assert.equal(cell, "?", name);
            } else if (["text", "endpoint", "number", "port"].includes(field.type)) {
                assert.equal(cell, String(value), name);
            }
        }
    }
    // The forms of quantities are those of the table of `conns`, where these stand still.
    const { spawnSync } = await import("node:child_process");
    const columns = "local,bytes_out,bytes_in,recv_queue,send_queue,loss";
    const table = spawnSync(process.env.CONNS, ["--agent", served.url, "--numeric", "--columns", columns, "--sort", "local_port", "--no-header", "--", filter]);
    const lines = table.stdout.toString().trim().split("\n");
    assert.equal(lines.length, 18, table.stderr.toString());
    const keys = columns.split(",").map((name) => fields.find((field) => field.name === name).key);
    lines.forEach((line, at) => {
        assert.deepEqual(keys.map((key) => answer.rows[at].cells[key]), line.trim().split(/\s+/), line);
    });
    faultless(page);
}

/** axe-core finds nothing in any view. */
async function accessible(launched, scheme) {
    const { page } = await begin(launched, 3);
    if (launched.name === "chromium") {
        await page.tab.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    }
    assert.equal(await page.evaluate(() => matchMedia("(prefers-color-scheme: dark)").matches), scheme === "dark");
    const check = async (what) => await axe(page, what);
    await check("connections");
    await page.filter("rtx == 5");
    await page.untilText("#filter-problem", /rtx/);
    await check("an error in the filter");
    await page.press("Escape", "Enter");
    await page.untilText(".why", /sure/);
    await check("one connection");
    await page.press("Escape", "g");
    await page.untilRows("groups", (rows) => rows[0]?.classes.includes("group"));
    await page.press("ArrowRight");
    await page.untilRows("its connections", (rows) => rows.length > 1);
    await check("groups");
    for (const key of ["2", "3", "4", "5", "6"]) {
        await page.press(key);
        await until("the view", async () => (await page.text("[aria-current=page]")).includes(key));
        await until("it was read", async () => (await page.rows()).length > 0 || (await page.text(".none")) !== "");
        await check(`view ${key}`);
    }
    await page.press("1", "Space");
    await page.untilText("#frozen", /:/);
    for (const key of ["?", "c", "e", "y"]) {
        await page.press(key);
        await until("the dialog", async () => (await page.text("dialog h2")) !== "");
        await check(`the dialog of ${key}`);
        await page.press("Escape");
        await until("closed", async () => (await page.text("dialog")) === "");
    }
    // Nothing moves by itself.
    const moving = await page.evaluate(() => document.getAnimations().length);
    assert.equal(moving, 0);
    faultless(page);
}

export async function accessible_light(launched) {
    await accessible(launched, "light");
}

export async function accessible_dark(launched) {
    await accessible(launched, "dark");
}
