"""Draw the README's picture: ``python docs/make_pictures.py``; it needs the CIFAR-10 files."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

import gradstep as gs


def picture_of(figure, width: int) -> Image.Image:
    """Return a matplotlib figure as an image of this width."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=220, facecolor="white")
    image = Image.open(buffer).convert("RGB")
    return image.resize((width, image.height * width // image.width), Image.Resampling.LANCZOS)


def in_one_row(figure, width: int) -> Image.Image:
    """Return the panels of a figure side by side, as an image of this width."""
    buffer = io.BytesIO()
    figure.set_dpi(220)
    figure.savefig(buffer, dpi=220, facecolor="white")
    whole = Image.open(buffer).convert("RGB")
    boxes = [axes.get_tightbbox().padded(8) for axes in figure.axes]
    each = width // len(boxes)
    tiles = []
    for box in boxes:
        tile = whole.crop((int(box.x0), int(whole.height - box.y1), int(box.x1), int(whole.height - box.y0)))
        tiles.append(tile.resize((each, tile.height * each // tile.width), Image.Resampling.LANCZOS))
    row = Image.new("RGB", (width, max(tile.height for tile in tiles)), "white")
    for place, tile in enumerate(tiles):
        row.paste(tile, (place * each, 0))
    return row


def main() -> None:
    """Train the two networks and write docs/images/cifar10.png."""
    data = gs.datasets.load_cifar10()
    eval_set = (data.validation.X, data.validation.y)
    softmax = gs.Trainer(l2=0.1, learning_rate=0.001, epochs=40, random_state=0)
    rate = gs.schedules.CyclicTriangular(1e-5, 1e-1, step_size=500)
    network = gs.Trainer(hidden=(50,), l2=5e-3, learning_rate=rate, epochs=40, random_state=0)
    for trainer in (softmax, network):
        trainer.fit(data.train.X, data.train.y, eval_set=eval_set)
        print(f"{trainer.score(data.test.X, data.test.y):.4f} after {trainer.history_['seconds'][-1]:.2f} s")
    # Pictures of the strongly regularised layer show what each class looks like.
    template = gs.Trainer(l2=1.0, learning_rate=0.001, epochs=40, random_state=0).fit(
        data.train.X, data.train.y
    )
    width = 1600
    parts = [
        picture_of(gs.plots.curves({"softmax layer": softmax, "two-layer network": network}), width),
        in_one_row(gs.plots.class_images(template, class_names=data.class_names), width),
    ]
    sheet = Image.new("RGB", (width, sum(part.height for part in parts)), "white")
    top = 0
    for part in parts:
        sheet.paste(part, (0, top))
        top += part.height
    sheet.quantize(colors=256, method=Image.Quantize.MEDIANCUT).save(
        Path(__file__).parent / "images" / "cifar10.png", optimize=True
    )


if __name__ == "__main__":
    main()
