"""Recipes at 224 px with backbones from ImageNet: DAN as its paper trains it, and the set of CK+, RAF-DB and AffectNet.

The weights `timm` are downloaded. DAN began from a ResNet-18 trained on the faces of MS-Celeb; those who have that file
give it as `--set net.weights=resnet18_msceleb.pth`. Published figures of DAN chose the epoch on the rows that they
report; here `best` is chosen on `val`.
"""

from __future__ import annotations

from emolens.learn.config import (
    Augment,
    BackboneNet,
    DanNet,
    ExpressionData,
    ExpressionRecipe,
    Loss,
    Net,
    Optim,
)

DAN = "Wen et al. 2023, arXiv 2109.07270"
TAN = "Tan and Le 2019, arXiv 1905.11946"
ATTENTION = Loss(targets="label", affinity=1, partition=1)


def dan_rafdb() -> ExpressionRecipe:
    """DAN on RAF-DB, seven classes (Wen et al. 2023, arXiv 2109.07270: 89.70 % on test, the best epoch on test).

    `val` is a tenth of the official training part. The pictures are kept at their 100 px and enlarged in the net.
    """
    return ExpressionRecipe(
        name="dan_rafdb",
        source=DAN,
        data=ExpressionData(name="rafdb", colour="rgb"),
        net=DanNet(size=100, resolution=224, weights="timm"),
        augment=Augment(rotate=20, scale=0, shift=0.14, share=0.2, erase=0.5, erase_side=(0.14, 0.5)),
        loss=ATTENTION,
        optim=Optim(
            lr=0.1, weight_decay=1e-4, schedule="step", step_epochs=10, epochs=40, warmup_epochs=0, batch=256, ema=0
        ),
    )  # fmt: skip


def dan_affectnet7() -> ExpressionRecipe:
    """DAN on AffectNet without contempt (Wen et al. 2023, arXiv 2109.07270: 65.69 % on its validation set).

    The published validation set, on which results are reported, is the test part; `val` is cut from `train`. The source
    chose its epoch on the pictures that it reports on.
    """
    return _affectnet(7)


def dan_affectnet8() -> ExpressionRecipe:
    """DAN on the eight classes of AffectNet (Wen et al. 2023, arXiv 2109.07270: 62.09 % on its validation set).

    As `dan_affectnet7`: the published validation set is the test part.
    """
    return _affectnet(8)


def _affectnet(classes: int) -> ExpressionRecipe:
    return ExpressionRecipe(
        name=f"dan_affectnet{classes}",
        source=DAN,
        data=ExpressionData(name="affectnet", options=(f"classes={classes}", "published_val=test"), colour="rgb"),
        net=DanNet(weights="timm"),
        augment=Augment(rotate=20, scale=0.1, shift=0.2, share=0.7, erase=0.5, erase_side=(0.14, 0.5)),
        loss=ATTENTION.model_copy(update={"balance": "sampling"}),
        optim=Optim(
            name="adam", lr=1e-4, weight_decay=0, schedule="exponential", gamma=0.6, epochs=10, warmup_epochs=0,
            batch=256, ema=0,
        ),
    )  # fmt: skip


def efficientnet_b3_ck_raf_aff(legacy: bool = False) -> ExpressionRecipe:
    """EfficientNet-b3 on the six classes of CK+, RAF-DB and AffectNet together, after hyunyongPark's project.

    Tan and Le (2019, arXiv 1905.11946). CK+ is cut by subject, RAF-DB has its official parts, of AffectNet the official
    validation set is the test, and no picture is in two parts. `legacy` is the project as it was: its published lists,
    whose `val` shares 76.5 % of its rows with `train`; pictures upside down and turned by up to 120 degrees, in `val`
    too; and the best epoch by its accuracy there.
    """
    net = BackboneNet(size=224, backbone="efficientnet_b3", weights="timm", dropout=0.3, pixels="trunk")
    return _combined(
        "efficientnet_b3_ck_raf_aff", "Tan and Le 2019, arXiv 1905.11946", net, Loss(targets="label"), legacy
    )


def dan_ck_raf_aff(legacy: bool = False) -> ExpressionRecipe:
    """DAN on the six classes of CK+, RAF-DB and AffectNet together, after hyunyongPark's project.

    As `efficientnet_b3_ck_raf_aff`; `legacy` also has class centres that never learn.
    """
    loss = ATTENTION.model_copy(update={"centres": "fixed"}) if legacy else ATTENTION
    return _combined("dan_ck_raf_aff", DAN, DanNet(weights="timm"), loss, legacy)


def _combined(name: str, source: str, net: Net, loss: Loss, legacy: bool) -> ExpressionRecipe:
    turned = Augment(rotate=120, share=0.8, upend=0.5, scale=0, shift=0, erase=0, val=True)
    upright = Augment(rotate=15, scale=0, shift=0, erase=0)
    return ExpressionRecipe(
        name=f"{name}_legacy" if legacy else name,
        source=f"{source}, as hyunyongPark/Emotion-Recognition {'trained' if legacy else 'set out to train'} it",
        data=ExpressionData(name="lists" if legacy else "ck_raf_aff", colour="rgb"),
        net=net,
        augment=turned if legacy else upright,
        loss=loss,
        best="accuracy" if legacy else "kl",
        optim=Optim(
            name="adam", lr=1e-4, weight_decay=0, schedule="plateau", gamma=0.5, step_epochs=5, epochs=150,
            warmup_epochs=0, batch=64, stop_after=7, ema=0,
        ),
        seed=225,
    )  # fmt: skip
