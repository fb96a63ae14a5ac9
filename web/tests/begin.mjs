// How a scenario begins, and what holds at its end.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Talks, agent } from "./agent.mjs";
import { open, until } from "./driver.mjs";

/** An agent, connections, and a page that shows only these. */
export async function begin(launched, count, hash = "", more = []) {
    const talks = await Talks.open(count);
    const served = await agent("http=127.0.0.1:0", more);
    const page = await open(launched, `${served.url}/#filter=${encodeURIComponent(talks.filter)}${hash}`);
    await until(`${count} rows`, async () =>
        (await page.evaluate(() => document.querySelector(".grid").getAttribute("aria-rowcount"))) === String(count + 1));
    await page.untilRows("all that are seen", (rows) => rows.length >= Math.min(count, 20) && rows.every((row) => row.text.trim() !== ""));
    return { talks, served, page };
}

/** Fails if the page's script, or the browser's policy, complained. */
export function faultless(page) {
    assert.deepEqual(page.faults, []);
}

/** Fails if axe-core finds anything on the page. */
export async function axe(page, what = "the page") {
    if (!(await page.evaluate(() => "axe" in window))) {
        await page.evaluate(readFileSync(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8"));
    }
    const { violations, passes } = await page.evaluate(async () => {
        const found = await window.axe.run(document, { resultTypes: ["violations"] });
        const brief = found.violations.map((one) => `${one.id}: ${one.help} ${one.nodes.slice(0, 3).map((node) => `${node.html.slice(0, 200)} ${node.failureSummary}`).join(" | ")}`);
        return { violations: brief, passes: found.passes.length };
    });
    assert.deepEqual(violations, [], what);
    assert.ok(passes > 10, `${what}: ${passes} rules passed`);
}
