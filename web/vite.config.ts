// Builds the page into one file: script and style inline, so that the server's policy can name both by digest.
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { type Plugin, defineConfig } from "vite";

/** Writes the one script and the one style into the page, and removes their files. */
function oneFile(): Plugin {
    return {
        name: "one-file",
        enforce: "post",
        generateBundle(_, bundle) {
            let script = "";
            let style = "";
            for (const [name, part] of Object.entries(bundle)) {
                if (part.type === "chunk") {
                    script += part.code;
                } else if (name.endsWith(".css")) {
                    style += String(part.source);
                } else {
                    continue;
                }
                delete bundle[name];
            }
            const page = bundle["index.html"];
            if (page?.type !== "asset") {
                throw new Error("vite wrote no index.html");
            }
            // A script ends at its first closing tag, whatever it is in.
            const safe = script.trim().replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
            page.source = String(page.source)
                .replace(/\s*<script[^>]*><\/script>/, "")
                .replace(/\s*<link[^>]*>/g, "")
                .replace("</head>", () => `<style>${style.trim()}</style>\n</head>`)
                .replace("</body>", () => `<script>${safe}</script>\n</body>`);
        },
    };
}

export default defineConfig({
    plugins: [svelte(), oneFile()],
    build: {
        target: "es2022",
        assetsInlineLimit: 0,
        cssCodeSplit: false,
        modulePreload: false,
        rollupOptions: { output: { format: "iife" } },
    },
});
