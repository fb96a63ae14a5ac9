// A real `conns serve`, and real sockets in this network namespace.

import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const CONNS = process.env.CONNS;
if (!CONNS) {
    throw new Error("CONNS is not set: it is the program that is tested");
}

/** The inode of this network namespace: the agent sees the whole machine. */
export const NETNS = readlinkSync("/proc/self/ns/net").replace(/\D/g, "");

/** What ends with the scenario. */
const atEnd = [];

/** Does this at the end of the scenario. */
export function finallyDo(action) {
    atEnd.push(action);
}

/** Ends all that the scenario began. */
export async function cleanUp() {
    for (const action of atEnd.reverse()) {
        await action();
    }
}

/** A folder that is removed in the end. */
export function folder() {
    const path = mkdtempSync(join(tmpdir(), "conns-page-"));
    finallyDo(() => rmSync(path, { recursive: true, force: true }));
    return path;
}

/** Starts an agent, and waits until it is ready. */
export async function agent(listen = "http=127.0.0.1:0", more = []) {
    const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("CONNS")));
    // Agents at the same time would write one history; a test of the past names its own.
    environment.CONNS_HISTORY_SIZE = "0";
    const child = spawn(CONNS, ["serve", "--listen", listen, ...more], { stdio: ["ignore", "ignore", "pipe"], env: environment });
    const ended = new Promise((done) => child.once("exit", done));
    const stop = async (signal = "SIGTERM") => {
        child.kill(signal);
        await ended;
    };
    finallyDo(async () => {
        if (child.exitCode === null && child.signalCode === null) {
            await stop();
        }
    });
    let lines = "";
    const url = await new Promise((done, failed) => {
        child.stderr.on("data", (data) => {
            lines += data;
            const place = /conns: http on (\S+)/.exec(lines)?.[1];
            if (lines.includes("conns: ready") && place !== undefined) {
                done(place.startsWith("http") ? place : `http://${place}`);
            }
        });
        void ended.then(() => failed(new Error(`the agent ended: ${lines}`)));
    });
    return { url: url.replace(/\/$/, ""), stop, child, port: Number(new URL(url).port) };
}

/** The JSON of the API. */
export async function api(agent, path, parameters = {}) {
    const query = new URLSearchParams(parameters).toString();
    const response = await fetch(`${agent.url}${path}${query === "" ? "" : `?${query}`}`);
    if (!response.ok) {
        throw new Error(`${path}: ${response.status} ${await response.text()}`);
    }
    return await response.json();
}

/** Connections to a server of this process; `far` is the port of the server. */
export class Talks {
    static async open(count, port = 0) {
        const talks = new Talks();
        talks.server = net.createServer((socket) => {
            socket.on("error", () => undefined);
            socket.resume();
        });
        await new Promise((done) => talks.server.listen(port, "127.0.0.1", 1024, done));
        talks.far = talks.server.address().port;
        talks.sockets = [];
        await talks.add(count);
        finallyDo(() => talks.close());
        return talks;
    }

    /** Opens more; answers their local ports. */
    async add(count) {
        const ports = [];
        for (let i = 0; i < count; i++) {
            const socket = net.connect(this.far, "127.0.0.1");
            socket.on("error", () => undefined);
            await new Promise((done) => socket.once("connect", done));
            ports.push(socket.localPort);
            this.sockets.push(socket);
        }
        return ports;
    }

    /** Sends this many bytes on the connection at a place. */
    async send(at, length) {
        await new Promise((done) => this.sockets[at].write(Buffer.alloc(length, "x"), done));
    }

    /** Resets the connection at a place. */
    reset(at) {
        const [socket] = this.sockets.splice(at, 1);
        const port = socket.localPort;
        // Nothing of it stays in TIME-WAIT.
        socket.resetAndDestroy();
        return port;
    }

    close() {
        for (const socket of this.sockets) {
            socket.destroy();
        }
        return new Promise((done) => this.server.close(done));
    }

    /** A filter of the clients' ends. */
    get filter() {
        return `remote_port == ${this.far} and netns_inode == ${NETNS}`;
    }
}

/** A process with this name that has one connection to `port` open. */
export async function named(name, port) {
    const program = join(folder(), name);
    // Not a script in front of it, which would search for itself by its name.
    symlinkSync(spawnSync("python3", ["-c", "import sys; print(sys.executable)"]).stdout.toString().trim(), program);
    const code = `import socket,sys
s = socket.create_connection(("127.0.0.1", ${port})); print("open", flush=True); sys.stdin.read()`;
    return await started(program, ["-c", code]);
}

/** Starts a program that writes once it is ready, and ends when its input does, which is at the end. Answers its pid. */
export async function started(program, given) {
    const child = spawn(program, given, { stdio: ["pipe", "pipe", "inherit"] });
    const ended = new Promise((done) => child.once("exit", done));
    finallyDo(async () => {
        child.stdin.end();
        await ended;
    });
    await new Promise((done, failed) => {
        child.stdout.once("data", done);
        void ended.then(() => failed(new Error(`${JSON.stringify(program)} ended`)));
    });
    return child.pid;
}

/** Starts a program that runs until the end. `printed` answers what it has written. */
export function program(name, given, options = {}) {
    const child = spawn(name, given, { stdio: ["ignore", "pipe", "inherit"], ...options });
    const ended = new Promise((done) => child.once("exit", done));
    let text = "";
    child.stdout.on("data", (data) => (text += data));
    finallyDo(async () => {
        child.kill();
        await ended;
    });
    return { child, printed: () => text };
}

/** A token and its hash. */
export function token() {
    const text = spawnSync(CONNS, ["token"]).stdout.toString();
    const word = (key) => new RegExp(`^${key}\\s+(\\S+)`, "m").exec(text)?.[1];
    return { token: word("token"), hash: word("hash") };
}

/** What `conns` prints with these arguments, as JSON. */
export function conns(...given) {
    const run = spawnSync(CONNS, given, { maxBuffer: 1 << 28 });
    return JSON.parse(run.stdout.toString());
}

