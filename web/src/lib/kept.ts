// Named filters, kept by the browser for this agent's address. A browser that keeps nothing is no error.

const KEY = "conns-filters";

type Named = { [name: string]: string };

/** All of them by name. */
export function kept(): Named {
    try {
        const value: unknown = JSON.parse(localStorage.getItem(KEY) ?? "{}");
        if (typeof value === "object" && value !== null) {
            const texts = Object.entries(value).filter((pair): pair is [string, string] => typeof pair[1] === "string");
            return Object.fromEntries(texts);
        }
    } catch {
        // What another page wrote there is not read.
    }
    return {};
}

function write(named: Named): Named {
    try {
        localStorage.setItem(KEY, JSON.stringify(named));
    } catch {
        // They last as long as the page.
    }
    return named;
}

/** Keeps a filter under a name. */
export function keep(name: string, filter: string): Named {
    return write({ ...kept(), [name]: filter });
}

/** Forgets a filter. */
export function forget(filter: string): Named {
    return write(Object.fromEntries(Object.entries(kept()).filter(([, text]) => text !== filter)));
}
