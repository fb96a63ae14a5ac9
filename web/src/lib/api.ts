// Requests to the agent. The token is kept in this module's memory and nowhere else.

import type { Problem } from "./types.ts";

let token = "";

/** Uses this token from now on. */
export function useToken(given: string): void {
    token = given;
}

/** Whether a token is in use. */
export function hasToken(): boolean {
    return token !== "";
}

/** Why there is no answer. */
export class Failure extends Error {
    /** The HTTP status; 0 if there was no answer at all. */
    readonly status: number;
    /** The API's error, if it gave one. */
    readonly problem: Problem | undefined;
    /** The whole body, if it was JSON. */
    readonly body: unknown;

    constructor(status: number, message: string, problem?: Problem, body?: unknown) {
        super(message);
        this.status = status;
        this.problem = problem;
        this.body = body;
    }
}

/** How long an answer may take; a list of a million rows takes the agent a second. */
const TIMEOUT_MS = 15_000;

/** The answer to a path and its parameters; those that are empty are omitted. */
export async function get<T>(path: string, parameters: { [name: string]: string | number } = {}): Promise<T> {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(parameters)) {
        if (value !== "") {
            query.set(name, String(value));
        }
    }
    const headers: HeadersInit = { Accept: "application/json" };
    if (token !== "") {
        headers["Authorization"] = `Bearer ${token}`;
    }
    const text = query.toString();
    let response: Response;
    try {
        response = await fetch(text === "" ? path : `${path}?${text}`, {
            headers,
            cache: "no-store",
            credentials: "omit",
            signal: AbortSignal.timeout(TIMEOUT_MS),
        });
    } catch (error) {
        throw new Failure(0, error instanceof Error ? error.message : String(error));
    }
    return await read<T>(response);
}

async function read<T>(response: Response): Promise<T> {
    let text: string;
    try {
        text = await response.text();
    } catch (error) {
        throw new Failure(0, error instanceof Error ? error.message : String(error));
    }
    let body: unknown;
    try {
        body = JSON.parse(text);
    } catch {
        throw new Failure(response.status, text.trim() || response.statusText);
    }
    // Health is 503 with a body where the sources fail.
    if (response.ok || (response.status === 503 && isObject(body) && !("error" in body))) {
        return body as T;
    }
    const problem = isObject(body) ? (body["error"] as Problem | undefined) : undefined;
    throw new Failure(response.status, problem?.message ?? text, problem, body);
}

function isObject(value: unknown): value is { [key: string]: unknown } {
    return typeof value === "object" && value !== null;
}
