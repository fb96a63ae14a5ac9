// Copies text. Without a secure context there is no clipboard API, and the older command is used.

/** Whether the text was copied. */
export async function copy(text: string): Promise<boolean> {
    try {
        await navigator.clipboard.writeText(text);
        return true;
    } catch {
        return copyByCommand(text);
    }
}

function copyByCommand(text: string): boolean {
    const field = document.createElement("textarea");
    field.value = text;
    field.readOnly = true;
    // Within an open dialog, or it could not have the focus.
    const parent = document.querySelector("dialog[open]") ?? document.body;
    parent.append(field);
    field.select();
    try {
        return document.execCommand("copy");
    } catch {
        return false;
    } finally {
        field.remove();
    }
}
