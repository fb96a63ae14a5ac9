// The entry: mounts the page.

import { mount } from "svelte";
import "uplot/dist/uPlot.min.css";
import "./ui/base.css";
import App from "./ui/App.svelte";

const target = document.getElementById("page");
if (target !== null) {
    mount(App, { target });
}
