"""Recipes for how groups look: the six models of the hybrid group system, what goes before them, and its forerunner's.

Settings are those of the sources: SGD with momentum .9 (here Nesterov's), no weight decay, a tenth of the rate every so
many epochs. Backbones begin with ImageNet weights of timm, which are downloaded; `--set net.scene.weights=none` or a
file where there is no network. Parts that a run before has learnt are given by `--set begin.faces=RUN` and so on.
"""

from __future__ import annotations

from typing import Literal

from emolens.data.face_columns import PLACES
from emolens.learn.config import GroupData, GroupRecipe, Optim
from emolens.learn.config.group import (
    Crops,
    FaceSetNet,
    FaceTrunk,
    GroupLoss,
    GroupNet,
    HybridNet,
    PixelCrossVitNet,
    SceneNet,
    Trunk,
)

HYBRID = "Gong, Wang, Wu, S. Gao, Vasilakos, Zhang 2025, Information Sciences 704, as Group_Emotion_Recognition_HMM"
VL = "Gupta, Agrawal, Chandolia, Jain, Lakhwani, Kumar, Singh 2018, arXiv 1807.03380"
RESNET18 = Trunk(backbone="resnet18", weights="timm")
B6 = Trunk(backbone="efficientnet_b6", weights="timm")
GAF = GroupData()
CROPS = Crops()
WHOLE = Crops(area=1, flip=0)
"""The hybrid sees whole pictures, unchanged."""


def _optim(epochs: int, step: int = 7, lr: float = 0.001, batch: int = 32) -> Optim:
    return Optim(
        lr=lr, weight_decay=0, schedule="step", step_epochs=step, epochs=epochs, warmup_epochs=0, batch=batch, ema=0
    )


def _recipe(
    name: str, net: GroupNet, optim: Optim, source: str = HYBRID, augment: Crops = CROPS, data: GroupData = GAF
) -> GroupRecipe:
    return GroupRecipe(name=name, source=source, data=data, net=net, augment=augment, optim=optim)


# --- stages before the others -------------------------------------------------------------------------------------


def group_aligned(legacy: bool = False) -> GroupRecipe:
    """SphereFace-20 tells the label of the group from each face by itself; its weights are for models 0 and 5.

    It began with sphere20a: `--set net.faces.weights=sphere20a_20171020.pth`. Legacy: empty places are learnt from as
    black faces, and faces lie transposed.
    """
    found = _recipe("group_aligned", FaceSetNet(faces=_faces(legacy)), _optim(25, lr=0.01, batch=16), augment=WHOLE)
    return found.model_copy(update={"loss": GroupLoss(each_face=True)})


def group_emotic(legacy: bool = False) -> GroupRecipe:
    """The valence of the people of EMOTIC in three classes, from whole pictures: what model 1 begins with.

    Legacy: pixels 0 to 1 here, although the next stage normalises them as ImageNet's.
    """
    net = SceneNet(pixels="unit" if legacy else "trunk")
    return _recipe(
        "group_emotic", net, _optim(15, 6), f"{VL}; Kosti et al. 2019 (data)", WHOLE, GroupData(name="emotic")
    )


def group_scene_imagenet() -> GroupRecipe:
    """DenseNet161 from ImageNet on whole pictures of GAF: the scene of model 5 and of the attention models."""
    return _recipe("group_scene_imagenet", SceneNet(), _optim(25))


def group_crossvit(legacy: bool = False) -> GroupRecipe:
    """The CrossViT of model 5 on bare pixels, one epoch as committed; legacy: faces over again in empty places."""
    faces = FaceTrunk(limit=16, padding="repeated" if legacy else "masked", transposed=legacy)
    return _recipe("group_crossvit", PixelCrossVitNet(faces=faces), _optim(1, 6), augment=WHOLE)


# --- the six models of GAF ----------------------------------------------------------------------------------------


def group_faces(legacy: bool = False) -> GroupRecipe:
    """Model 0: SphereFace-20 on each face, the mean over faces. Begins with `group_aligned` (begin.faces).

    Published outputs .7210 on VAL. Legacy: faces lie transposed.
    """
    net = FaceSetNet(faces=FaceTrunk(transposed=legacy))
    return _recipe("group_faces", net, _optim(8, 4, batch=4), augment=WHOLE)


def group_scene() -> GroupRecipe:
    """Model 1: DenseNet161 on whole pictures. Begins with `group_emotic` (begin.scene). .7285 on VAL, .7490 on EVAL."""
    return _recipe("group_scene", SceneNet(), _optim(16))


def group_places() -> GroupRecipe:
    """Model 2: ResNet18 on whole pictures, .6767 and .6790. It began with Places365, a file of its authors:
    `--set net.scene.weights=resnet18_places365.pth.tar`.
    """
    return _recipe("group_places", SceneNet(scene=RESNET18), _optim(25), f"{HYBRID}; Zhou et al. 2017 (Places365)")


def group_skeleton() -> GroupRecipe:
    """Model 3: DenseNet161 on skeletons drawn on black, .6504 and .6520."""
    return _recipe("group_skeleton", SceneNet(source="skeleton"), _optim(25))


def group_skeleton_b6() -> GroupRecipe:
    """Model 4: EfficientNet-B6 on skeletons, .6121 and .6400."""
    return _recipe("group_skeleton_b6", SceneNet(source="skeleton", scene=B6, dropout=0.5), _optim(25))


def group_hybrid(legacy: bool = False) -> GroupRecipe:
    """Model 5: faces and scene through a CrossViT, .7617 and .7630.

    Begins with `group_aligned` (begin.faces), `group_scene_imagenet` (begin.scene) and `group_crossvit`
    (begin.crossvit). Here the whole net learns and empty places are masked; legacy: the CrossViT is neither trained
    nor stored, the scene gets no gradient while its statistics drift, black faces count, and faces lie transposed.
    """
    net = HybridNet(faces=_faces(legacy), registered=not legacy, scene_gradient="detached" if legacy else "trained")
    return _recipe("group_hybrid", net, _optim(27, 9), augment=WHOLE)


# --- the forerunner's attention -----------------------------------------------------------------------------------


def group_attention_a(legacy: bool = False) -> GroupRecipe:
    """The forerunner's attention A: faces weighted by their scalar product with the scene. .732 on VAL, .730 on EVAL.

    Legacy, of all three: no gradient for the scene nor through the weights of faces, and faces lie transposed; of A and
    B also: a reshape mixes faces with channels.
    """
    return _attention("group_attention_a", "dot", legacy)


def group_attention_b(legacy: bool = False) -> GroupRecipe:
    """The forerunner's attention B: as A, face and scene first brought to 64 wide. .738 and .751."""
    return _attention("group_attention_b", "narrow", legacy)


def group_attention_c(legacy: bool = False) -> GroupRecipe:
    """The forerunner's attention C: a small net scores each face. .744 and .750."""
    return _attention("group_attention_c", "score", legacy)


def _attention(name: str, fusion: Literal["dot", "narrow", "score"], legacy: bool) -> GroupRecipe:
    net = HybridNet(
        faces=FaceTrunk(transposed=legacy),
        fusion=fusion,
        scene_gradient="detached" if legacy else "trained",
        attention_gradient=not legacy,
        mixed=legacy and fusion != "score",
    )
    return _recipe(name, net, _optim(27, 9), VL, WHOLE)


# --- two classes: Group and Scene ---------------------------------------------------------------------------------


def groupscene_scene(legacy: bool = False) -> GroupRecipe:
    """DenseNet161 on whole frames of videos, negative or positive.

    Here frames of one video are in one part, as far as their names tell the video; legacy, of all recipes of this set:
    the parts as published, in which one video can be in several.
    """
    return _recipe("groupscene_scene", SceneNet(), _optim(16, batch=16), data=_frames(legacy))


def groupscene_places(legacy: bool = False) -> GroupRecipe:
    """ResNet18 on whole frames; it began with Places365, see `group_places`."""
    return _recipe("groupscene_places", SceneNet(scene=RESNET18), _optim(25), data=_frames(legacy))


def groupscene_skeleton(legacy: bool = False) -> GroupRecipe:
    """DenseNet161 on skeletons of frames."""
    return _recipe("groupscene_skeleton", SceneNet(source="skeleton"), _optim(26, batch=16), data=_frames(legacy))


def groupscene_skeleton_b6(legacy: bool = False) -> GroupRecipe:
    """EfficientNet-B6 on skeletons of frames."""
    net = SceneNet(source="skeleton", scene=B6, dropout=0.5)
    return _recipe("groupscene_skeleton_b6", net, _optim(27, batch=8), data=_frames(legacy))


def groupscene_hybrid(legacy: bool = False) -> GroupRecipe:
    """Faces and scene through a CrossViT, on all frames; .9366 on val, .9395 on test. There it was a trained submodule.

    Legacy: the scene gets no gradient, black faces count, and faces lie transposed.
    """
    return _recipe("groupscene_hybrid", _hybrid2(legacy), _optim(21, batch=8), augment=WHOLE, data=_frames(legacy))


def groupscene_faces(legacy: bool = False) -> GroupRecipe:
    """The branch for frames with faces, .9761 and .9732; legacy as `groupscene_hybrid`."""
    data = _frames(legacy, "faces")
    return _recipe("groupscene_faces", _hybrid2(legacy), _optim(18, 9, batch=8), augment=WHOLE, data=data)


def groupscene_nofaces(legacy: bool = False) -> GroupRecipe:
    """The branch for frames without: four windows of the picture, seen by the scene's backbone. .7119 and .7217.

    Prepare them with `emolens faces --grid`. Legacy: twelve black windows count too, the scene gets no gradient.
    """
    net = HybridNet(
        tokens="grid",
        faces=FaceTrunk(limit=16, padding="as_faces" if legacy else "masked"),
        scene_gradient="detached" if legacy else "trained",
    )
    data = _frames(legacy, "nofaces")
    return _recipe("groupscene_nofaces", net, _optim(30, 6, lr=0.01), augment=WHOLE, data=data)


def _hybrid2(legacy: bool) -> HybridNet:
    return HybridNet(faces=_faces(legacy, 16), scene_gradient="detached" if legacy else "trained")


def _frames(legacy: bool, part: str = "all") -> GroupData:
    return GroupData(name="groupscene", options=(f"part={part}", f"splits={'published' if legacy else 'video'}"))


def _faces(legacy: bool, limit: int = PLACES) -> FaceTrunk:
    return FaceTrunk(limit=limit, padding="as_faces" if legacy else "masked", transposed=legacy)


GROUP_RECIPES = (
    group_aligned, group_emotic, group_scene_imagenet, group_crossvit, group_faces, group_scene, group_places,
    group_skeleton, group_skeleton_b6, group_hybrid, group_attention_a, group_attention_b, group_attention_c,
    groupscene_scene, groupscene_places, groupscene_skeleton, groupscene_skeleton_b6, groupscene_hybrid,
    groupscene_faces, groupscene_nofaces,
)  # fmt: skip
