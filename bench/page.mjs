// Measures the live page: how long it takes to draw while it is scrolled, whether rows stay blank, its memory, and the time from a
// key to the changed screen. node bench/page.mjs BROWSER SOCKETS, with CONNS and CONNS_BENCH; as root, after `make web-packages`.

import { agent, cleanUp, started } from "../web/tests/agent.mjs";
import { launch, open, until } from "../web/tests/driver.mjs";

const [browser = "chromium", sockets = "100000"] = process.argv.slice(2);

const share = (values, part) => values.slice().sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))];
const ms = (value) => `${value.toFixed(1)} ms`;

/** Scrolls for some seconds by `step` pixels a frame: the time of each draw, between frames, and blank rows. */
async function scrolled(page, step) {
    return await page.evaluate(async (step) => {
        const grid = document.querySelector(".grid");
        const frame = () => new Promise((done) => requestAnimationFrame(done));
        const [draws, between, blanks] = [[], [], []];
        grid.scrollTop = 0;
        let last = await frame();
        const end = last + 5000;
        while (last < end) {
            grid.scrollTop = (grid.scrollTop + step) % (grid.scrollHeight - grid.clientHeight);
            const now = await frame();
            between.push(now - last);
            last = now;
            // The scroll event runs before this callback; the layout that it makes necessary is part of the draw.
            const started = performance.now();
            void grid.offsetHeight;
            await Promise.resolve();
            const { top, bottom } = grid.getBoundingClientRect();
            const seen = [...grid.querySelectorAll("[data-at]")].filter((row) => {
                const place = row.getBoundingClientRect();
                return place.bottom > top + 24 && place.top < bottom;
            });
            draws.push(performance.now() - started);
            const blank = seen.filter((row) => row.classList.contains("blank")).length;
            blanks.push(seen.length === 0 ? 1 : blank / seen.length);
        }
        return { draws, between, blanks };
    }, step);
}

const launched = await launch(browser);
try {
    // A process has fewer descriptors than a usual limit.
    const processes = String(Math.max(20, Math.ceil(Number(sockets) / 15_000)));
    await started(process.env.CONNS_BENCH, ["hold", "--sockets", sockets, "--processes", processes]);
    const served = await agent();
    const page = await open(launched, `${served.url}/`);
    const opened = Date.now();
    const total = await until("the list", async () => {
        const count = Number(await page.evaluate(() => document.querySelector(".grid").getAttribute("aria-rowcount"))) - 1;
        return count >= Number(sockets) * 0.9 ? count : undefined;
    });
    console.log(`${browser}, ${total} rows: first rows after ${Date.now() - opened} ms`);
    for (const step of [24, 240, 4000]) {
        const { draws, between, blanks } = await scrolled(page, step);
        const blank = blanks.filter((one) => one > 0).length;
        console.log(
            `scrolled by ${step} px a frame: ${between.length} frames, between frames p50 ${ms(share(between, 0.5))}, p95 ${ms(share(between, 0.95))}; ` +
                `layout p95 ${ms(share(draws, 0.95))}; frames with a blank row ${blank}`,
        );
    }
    await page.press("g", "g");
    const keys = [];
    for (let i = 0; i < 50; i++) {
        keys.push(
            await page.evaluate(async () => {
                const before = document.querySelector("[aria-selected=true]")?.dataset.at;
                const started = performance.now();
                document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "j", bubbles: true }));
                while (document.querySelector("[aria-selected=true]")?.dataset.at === before) {
                    await new Promise((done) => requestAnimationFrame(done));
                }
                return performance.now() - started;
            }),
        );
    }
    console.log(`from a key to the changed screen: p50 ${ms(share(keys, 0.5))}, p99 ${ms(share(keys, 0.99))}`);
    const memory = await page.evaluate(() => {
        globalThis.gc?.();
        return performance.memory?.usedJSHeapSize;
    });
    console.log(memory === undefined ? "memory: the browser does not report it" : `memory of the page: ${(memory / 1e6).toFixed(1)} MB of heap`);
    const health = await page.api("/api/v1/health");
    console.log(`the agent: a sample takes ${(health.cost.sample_cpu_us / 1e3).toFixed(0)} ms, ${(health.cost.resident_bytes / 1e6).toFixed(0)} MB`);
    for (const query of ["order=new", "order=new&sort=-bytes_out", "order=new&filter=rtt%20%3E%205ms"]) {
        const begun = Date.now();
        const first = await (await fetch(`${served.url}/api/v1/connections?${query}&limit=60`)).json();
        const later = Date.now();
        const again = [];
        for (let i = 0; i < 20; i++) {
            const from = performance.now();
            await (await fetch(`${served.url}/api/v1/connections?${query.replace("order=new", `order=${first.order}`)}&limit=60&offset=${i * 50}`)).text();
            again.push(performance.now() - from);
        }
        console.log(`window of 60 of ${first.total} (${query}): new ${later - begun} ms, later p50 ${ms(share(again, 0.5))}, p95 ${ms(share(again, 0.95))}`);
    }
} finally {
    await launched.close();
    await cleanUp();
}
process.exit();
