// What a reader of the page does, and what must then be seen: each against a real agent with real sockets.

import assert from "node:assert/strict";
import { NETNS, Talks, agent, api } from "./agent.mjs";
import { open, until } from "./driver.mjs";

/** An agent, connections, and a page that shows only these. */
async function begin(launched, count, hash = "") {
    const talks = await Talks.open(count);
    const served = await agent();
    const page = await open(launched, `${served.url}/#filter=${encodeURIComponent(talks.filter)}${hash}`);
    await page.untilRows(`${count} rows`, (rows) => rows.length === count);
    return { talks, served, page };
}

/** The local port of each row, which tells the connections apart. */
const ports = (rows) => rows.map((row) => Number(row.cells.local?.split(":").at(-1)));

/** Fails if the page's script, or the browser's policy, complained. */
function faultless(page) {
    assert.deepEqual(page.faults, []);
}

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
    assert.equal((await page.rows()).length, 1);
    assert.equal(await page.evaluate(() => document.getElementById("filter").getAttribute("aria-invalid")), "true");
    // Mended, it is gone.
    for (let i = 0; i < " and rtx > 5".length; i++) {
        await page.press("Backspace");
    }
    await until("the error is gone", async () => (await page.text("#filter-problem")).trim() === "");
    faultless(page);
}
