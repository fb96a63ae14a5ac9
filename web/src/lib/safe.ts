// Hostile text made visible: control characters and those that change the direction of text are written as escapes, so that
// a name can neither hide itself nor what stands beside it.

// C0, DEL, C1; zero-width characters; line and paragraph separators; marks, embeddings and isolates of direction; the
// byte order mark; tags; and lone surrogates.
const HIDDEN =
    /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f\u3164\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/gu;

/** `text` with an escape such as `\u{1b}` for each character that is not seen. */
export function visible(text: string): string {
    return text.replace(HIDDEN, (found) => `\\u{${(found.codePointAt(0) ?? 0).toString(16)}}`);
}
