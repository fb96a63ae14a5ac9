// Makes the picture of the page for the README: node picture.mjs FILE, with CONNS. nginx, curl and what they carry are real; so is the
// agent. In a network namespace of its own, or the picture has what else runs here.

import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { NETNS, agent, cleanUp, finallyDo, folder } from "./tests/agent.mjs";
import { launch, open, until } from "./tests/driver.mjs";

const [file = "page.png"] = process.argv.slice(2);

/** Runs a program until the end. */
function run(program, ...given) {
    const child = spawn(program, given, { stdio: "ignore" });
    const ended = new Promise((done) => child.once("exit", done));
    finallyDo(async () => {
        child.kill("SIGTERM");
        await ended;
    });
}

const place = folder();
chmodSync(place, 0o755);
mkdirSync(`${place}/files`);
writeFileSync(`${place}/files/film`, Buffer.alloc(200_000_000));
writeFileSync(
    `${place}/nginx.conf`,
    `daemon off; pid ${place}/pid; error_log /dev/null; worker_processes 1;
events {}
http { access_log off; server { listen 127.0.0.1:8080; root ${place}/files; } server { listen [::1]:8080; root ${place}/files; } }`,
);
run("nginx", "-c", `${place}/nginx.conf`);
const launched = await launch("chromium");
try {
    const served = await agent();
    await until("nginx", async () => (await fetch("http://127.0.0.1:8080/film", { method: "HEAD" })).ok);
    const film = ["-s", "-o", "/dev/null"];
    run("curl", ...film, "--limit-rate", "3M", "http://127.0.0.1:8080/film");
    run("curl", ...film, "--limit-rate", "800k", "http://127.0.0.1:8080/film");
    run("curl", ...film, "--limit-rate", "1500k", "http://[::1]:8080/film");
    run("python3", "-c", "import socket,time; s=socket.create_connection(('127.0.0.1',8080)); s.sendall(b'GET /film HTTP/1.0\\r\\n\\r\\n'); time.sleep(600)");
    run("python3", "-c", "import socket,time; s=socket.create_connection(('::1',8080)); time.sleep(600)");
    const filter = `netns_inode == ${NETNS} and not (chromium or conns or node)`;
    const page = await open(launched, `${served.url}/#filter=${encodeURIComponent(filter)}&sort=-rate_out`);
    await page.tab.setViewport({ width: 1280, height: 420 });
    // Verdicts are about the last seconds.
    await until("verdicts", async () => (await page.rows()).filter((row) => row.cells.verdict === "slow-reader-remote").length >= 3);
    await page.press("r");
    await until("sorted", async () => (await page.text(".noted")).includes("anew"));
    await page.tab.screenshot({ path: resolve(file) });
} finally {
    await launched.close();
    await cleanUp();
}
process.exit();
