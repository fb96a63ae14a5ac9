// Streams and transfers as the page shows them, of real programs: nginx, ffmpeg, conns link.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, chownSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { folder, program } from "./agent.mjs";
import { begin, faultless } from "./begin.mjs";
import { until } from "./driver.mjs";
import { isOf, publish, rtmp } from "./media.mjs";

/** A stream that ffmpeg publishes to nginx, and one that it plays from there, as the API has them. */
export async function media_streams(launched) {
    // The agent first: what a stream is called is in its first bytes.
    const { page } = await begin(launched, 1);
    await page.filtered("");
    const live = await rtmp(page);
    publish(live);
    await page.press("5");
    await page.untilRows("the publisher", (rows) => rows.some(isOf("publisher")));
    program("ffmpeg", ["-nostdin", "-v", "error", "-i", live, "-f", "null", "-"]);
    const rows = await page.untilRows("the player", (rows) => rows.some(isOf("player")) && rows.some(isOf("publisher")));
    const { streams } = await page.api("/api/v1/streams");
    const stream = streams.find((one) => one.name === "street");
    for (const [role, [end]] of [["publisher", stream.publishers], ["player", stream.players]]) {
        const row = rows.find(isOf(role));
        assert.equal(row.cells.remote, end.remote, role);
        assert.equal(row.cells.video_codec, end.video_codec ?? "?", role);
    }
    faultless(page);
}

/** A transfer of `conns link`, as the API has it. An agent lists those of its own account. */
export async function running_transfers(launched) {
    const path = folder();
    chmodSync(path, 0o755);
    for (const name of ["in", "state", "run"]) {
        mkdirSync(join(path, name));
    }
    writeFileSync(join(path, "large"), randomBytes(32 << 20));
    const [uid, gid] = ["-u", "-g"].map((flag) => Number(spawnSync("id", [flag, "nobody"]).stdout));
    for (const name of [".", "in", "state", "run", "large"]) {
        chownSync(join(path, name), uid, gid);
    }
    Object.assign(process.env, { STATE_DIRECTORY: join(path, "state"), RUNTIME_DIRECTORY: join(path, "run") });
    const conns = process.env.CONNS;
    spawnSync(conns, ["link", "keygen", "--out", join(path, "key")], { uid, gid });
    const receiver = program(conns, ["link", "serve", "--listen", "127.0.0.1:0", "--key", join(path, "key"), "--folder", join(path, "in")], { uid, gid });
    const destination = await until("the receiver is ready", async () => /^receiving at (\S+)/.exec(receiver.printed())?.[1]);
    program(conns, ["link", "send", "--method", "fixed", "--rate", "1Mbit/s", join(path, "large"), destination], { uid, gid });
    const { page } = await begin(launched, 1, "", ["--user", "nobody"]);
    await page.press("6");
    const [row] = await page.untilRows("the transfer", (rows) => rows.length === 1 && rows[0].cells.destination_ip === "127.0.0.1");
    const { transfers } = await page.api("/api/v1/transfers");
    assert.equal(row.id, transfers[0].connection_id);
    assert.equal(row.cells.destination_port, destination.split(":").at(-1));
    faultless(page);
}
