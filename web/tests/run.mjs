// Runs one scenario in one browser: node run.mjs BROWSER SCENARIO. `list` prints the names of the scenarios.

import { cleanUp } from "./agent.mjs";
import * as content from "./content.mjs";
import { launch } from "./driver.mjs";
import * as past from "./past.mjs";
import * as main from "./scenarios.mjs";

const scenarios = { ...main, ...content, ...past };

const [browser, name] = process.argv.slice(2);
if (browser === "list") {
    console.log(Object.keys(scenarios).join("\n"));
} else {
    const scenario = scenarios[name];
    if (scenario === undefined) {
        throw new Error(`there is no scenario ${name}`);
    }
    const launched = await launch(browser, { dark: name.endsWith("_dark") });
    try {
        await scenario(launched);
    } catch (error) {
        console.error(error);
        process.exitCode = 1;
    } finally {
        await launched.close();
        await cleanUp();
    }
    // A request of the browser that was cut off must not keep this process.
    process.exit();
}
