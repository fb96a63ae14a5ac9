// A browser and a page in it, the same for both browsers; and conditions that are waited for.

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import puppeteer from "puppeteer-core";

/** How long a condition may take to come true. */
const TIMEOUT_MS = 60_000;

/** The programs of each browser, as Debian names them. */
const PROGRAMS = { chromium: ["chromium"], firefox: ["firefox-esr", "firefox"] };

function find(names) {
    for (const name of names) {
        for (const folder of (process.env.PATH ?? "").split(delimiter)) {
            if (existsSync(join(folder, name))) {
                return join(folder, name);
            }
        }
    }
    throw new Error(`there is no ${names.join(" or ")} in PATH`);
}

/** Starts a browser; `close` ends it and removes its profile. */
export async function launch(name, { dark = false } = {}) {
    const profile = mkdtempSync(join(tmpdir(), "conns-browser-"));
    const browser = await puppeteer.launch({
        browser: name === "firefox" ? "firefox" : "chrome",
        executablePath: find(PROGRAMS[name]),
        headless: true,
        userDataDir: profile,
        protocolTimeout: TIMEOUT_MS * 2,
        timeout: TIMEOUT_MS * 2,
        defaultViewport: { width: 1400, height: 800 },
        args: name === "firefox" ? [] : ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--js-flags=--expose-gc"],
        extraPrefsFirefox: {
            "ui.systemUsesDarkTheme": dark ? 1 : 0,
            "layout.css.prefers-color-scheme.content-override": dark ? 0 : 1,
            "dom.events.testing.asyncClipboard": true,
        },
    });
    return {
        name,
        browser,
        async close() {
            await browser.close();
            rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
        },
    };
}

/** Waits until `read` answers something that holds, and returns it. */
export async function until(what, read, within = TIMEOUT_MS) {
    const end = Date.now() + within;
    let last;
    for (;;) {
        try {
            const value = await read();
            if (value) {
                return value;
            }
            last = value;
        } catch (error) {
            last = error;
        }
        if (Date.now() > end) {
            throw new Error(`${what} did not come true within ${within / 1000} s: ${last?.stack ?? JSON.stringify(last)}`);
        }
        await new Promise((done) => setTimeout(done, 50));
    }
}

/** Opens the page; what its script or the policy complains of is collected. */
export async function open(launched, url) {
    const tab = await launched.browser.newPage();
    const faults = [];
    // Browsers ask for an icon that is not there, and requests that fail are the scenario's own.
    const isExpected = (text) => /favicon|Failed to load resource|Cross-Origin|NetworkError|can.t establish/.test(text);
    const fault = (text) => isExpected(text) || faults.push(text);
    tab.on("pageerror", (error) => fault(String(error)));
    tab.on("console", (message) => {
        if (message.type() === "error") {
            fault(message.text());
        }
    });
    tab.on("dialog", (dialog) => faults.push(`dialog ${dialog.message()}`));
    await tab.goto(url);
    return new Page(tab, faults);
}

/** The page as a reader has it. */
export class Page {
    constructor(tab, faults) {
        this.tab = tab;
        this.faults = faults;
        this.url = new URL(tab.url()).origin;
    }

    /** The JSON of the agent's API. */
    async api(path, parameters = {}) {
        const response = await fetch(`${this.url}${path}?${new URLSearchParams(parameters)}`);
        return await response.json();
    }

    /** Opens another address in the same page. */
    async ask(change) {
        await this.evaluate((change) => {
            const pairs = new URLSearchParams(location.hash.slice(1));
            for (const [name, value] of Object.entries(change)) {
                pairs.set(name, value);
            }
            location.hash = pairs.toString();
        }, change);
    }

    /** The drawn rows: place, id, state, and the text of each cell by its key. */
    async rows() {
        return await this.tab.evaluate(() =>
            [...document.querySelectorAll("[data-at]")].map((row) => ({
                at: Number(row.dataset.at),
                id: row.dataset.id,
                classes: row.className,
                isSelected: row.getAttribute("aria-selected") === "true",
                sign: row.querySelector(".sign").textContent,
                text: row.textContent,
                cells: Object.fromEntries([...row.querySelectorAll("[data-key]")].map((cell) => [cell.dataset.key, cell.textContent])),
            })),
        );
    }

    /** Waits until the drawn rows are as `test` wants them, and returns them. */
    async untilRows(what, test) {
        let rows;
        try {
            return await until(what, async () => {
                rows = await this.rows();
                return test(rows) ? rows : undefined;
            });
        } catch (error) {
            const shown = await this.text("body").catch(() => "");
            throw new Error(`${error.message}\nrows: ${JSON.stringify(rows)?.slice(0, 3000)}\npage: ${shown.slice(0, 1500)}`);
        }
    }

    /** The text of an element; empty if it is not there. */
    async text(selector) {
        return await this.tab.evaluate((selector) => document.querySelector(selector)?.textContent ?? "", selector);
    }

    /** Waits until the text of an element matches. */
    async untilText(selector, pattern) {
        return await until(`${selector} with ${pattern}`, async () => {
            const text = await this.text(selector);
            return pattern.test(text) ? text : undefined;
        }).catch(async (error) => {
            throw new Error(`${error.message}; it has ${JSON.stringify((await this.text(selector)).slice(0, 2000))}`);
        });
    }

    async press(...keys) {
        for (const key of keys) {
            await this.tab.keyboard.press(key === "Space" ? " " : key);
        }
    }

    /** Types a filter in its field as a person does. */
    async filter(text) {
        await this.press("/");
        await until("the filter's field has the focus", async () => await this.tab.evaluate(() => document.activeElement?.id === "filter"));
        await this.tab.keyboard.down("Control");
        await this.press("a");
        await this.tab.keyboard.up("Control");
        await this.press("Delete");
        await this.tab.keyboard.type(text);
    }

    /** Types a filter, and goes to the list. */
    async filtered(text) {
        await this.filter(text);
        await this.press("Enter");
        await until("the filter is in the address", async () => new URLSearchParams((await this.hash()).slice(1)).get("filter") === (text || null));
    }

    async hash() {
        return await this.tab.evaluate(() => location.hash);
    }

    async click(selector) {
        await this.tab.evaluate((selector) => {
            const found = document.querySelector(selector);
            if (found === null) {
                throw new Error(`there is no ${selector}`);
            }
            found.click();
        }, selector);
    }

    /** Clicks the button with this text. */
    async button(text) {
        await this.tab.evaluate((text) => {
            const place = document.querySelector("dialog[open]") ?? document;
            const found = [...place.querySelectorAll("button")].find((button) => button.textContent.trim() === text);
            if (found === undefined) {
                throw new Error(`there is no button ${text}`);
            }
            found.click();
        }, text);
    }

    async evaluate(...given) {
        return await this.tab.evaluate(...given);
    }
}
