// A server of media streams, and what is published to it.

import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { NETNS, folder, program } from "./agent.mjs";
import { until } from "./driver.mjs";

const PORT = 19350;

/** Starts nginx with RTMP; answers the address of a stream named `street` there, once the agent of the page sees that it listens. */
export async function rtmp(page) {
    const path = folder();
    chmodSync(path, 0o755);
    writeFileSync(
        join(path, "nginx.conf"),
        `load_module modules/ngx_rtmp_module.so; worker_processes 1; daemon off; pid ${path}/pid; error_log ${path}/log; events {}
rtmp { server { listen 127.0.0.1:${PORT}; application live { live on; } } }`,
    );
    program("nginx", ["-c", `${path}/nginx.conf`, "-e", `${path}/log`]);
    await until("nginx listens", async () => {
        const rows = await page.api("/api/v1/listeners", { filter: `local_port == ${PORT} and netns_inode == ${NETNS}` });
        return rows.connections.length > 0;
    });
    return `rtmp://127.0.0.1:${PORT}/live/street`;
}

/** Starts ffmpeg, which publishes a picture there. */
export function publish(live) {
    const source = ["-re", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=10", "-t", "600"];
    return program("ffmpeg", ["-nostdin", "-v", "error", ...source, "-c:v", "libx264", "-g", "10", "-f", "flv", live]);
}

/** Whether a row of the page is an end of that stream. */
export function isOf(role) {
    return (row) => row.cells.role === role && row.cells.stream === "street";
}
