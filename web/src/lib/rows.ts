// The arithmetic of a list of which only a part is drawn.

/** The greatest height of an element that browsers honour; Firefox ends at 17.9 million pixels. */
export const MAX_HEIGHT = 12_000_000;

/** A list as it is scrolled. */
export interface Scroll {
    /** The rows of the list. */
    total: number;
    /** Height of a row, pixels. */
    row: number;
    /** Height of what is seen, pixels. */
    view: number;
}

/** The height of the element that is scrolled. */
export function height({ total, row }: Scroll): number {
    return Math.min(total * row, MAX_HEIGHT);
}

/** The row at the upper edge, with its fraction above it, where the element is scrolled to `top`. */
export function rowAt(scroll: Scroll, top: number): number {
    const whole = scroll.total * scroll.row;
    const most = Math.max(0, whole - scroll.view);
    if (whole <= MAX_HEIGHT) {
        return Math.min(Math.max(top, 0), most) / scroll.row;
    }
    const share = Math.min(1, Math.max(0, top / (MAX_HEIGHT - scroll.view)));
    return (share * most) / scroll.row;
}

/** Where the element is scrolled to so that `first` is at the upper edge: the inverse of `rowAt`. */
export function topOf(scroll: Scroll, first: number): number {
    const whole = scroll.total * scroll.row;
    const most = Math.max(0, whole - scroll.view);
    const place = Math.min(Math.max(first * scroll.row, 0), most);
    return whole <= MAX_HEIGHT || most === 0 ? place : (place / most) * (MAX_HEIGHT - scroll.view);
}

/** Where row `index` is drawn in the element. */
export function placeOf(scroll: Scroll, top: number, index: number): number {
    return Math.round(top + (index - rowAt(scroll, top)) * scroll.row);
}

/** The rows seen, and `over` of them on either side: from the first up to, not including, the last. */
export function seen(scroll: Scroll, top: number, over: number): [number, number] {
    const first = Math.floor(rowAt(scroll, top));
    const count = Math.ceil(scroll.view / scroll.row) + 1;
    return [Math.max(0, first - over), Math.min(scroll.total, first + count + over)];
}

/** Where the element is to be scrolled to so that row `index` is seen; `top` if it is. */
export function topToSee(scroll: Scroll, top: number, index: number): number {
    const first = rowAt(scroll, top);
    const fit = Math.max(1, scroll.view / scroll.row);
    if (index < first) {
        return topOf(scroll, index);
    }
    return index + 1 > first + fit ? topOf(scroll, index + 1 - fit) : top;
}
