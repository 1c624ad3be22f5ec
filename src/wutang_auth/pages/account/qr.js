/** A QR code, drawn from the path data of its SVG: as markup nothing that comes from a server is parsed here. */

const SVG = "http://www.w3.org/2000/svg";

function shape(tag, attributes) {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of attributes) made.setAttribute(name, value);
    return made;
}

/** The drawing with this label for those who do not see it. */
export function qrCode(svg, label) {
    const [, box = "0 0 1 1"] = svg.match(/ viewBox="([\d. ]+)"/) ?? [];
    const image = shape("svg", [["viewBox", box], ["class", "qr"], ["role", "img"], ["aria-label", label]]);
    for (const [, attributes] of svg.matchAll(/<path ([^>]*)>/g)) {
        image.append(shape("path", [...attributes.matchAll(/\b(d|fill|stroke)="([^"]*)"/g)].map((found) => found.slice(1))));
    }
    return image;
}
