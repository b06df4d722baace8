"""Recipes: every setting of a text-to-3D run as one value."""

from dataclasses import dataclass, fields, replace


@dataclass(frozen=True)
class Recipe:
    """The settings of one run. The defaults are the toy's; `profile.py` has the named ones."""

    # the score (thesis 3.3, 5.1)
    guidance: float = 10.0  # s of (3.8), eps(y) + s (eps(y) - eps(none)); diffusers' guidance_scale is s + 1
    t_min: int = 20  # lowest time step, of 1000 (5.1.1)
    t_max: int = 980  # highest time step, of 1000 (5.1.1)
    t_max_late: int = 500  # highest time step once `late` of the run is over; = t_max keeps the range
    late: float = 0.4  # share of the run, 0..1
    steps: int = 1000  # gradient steps; the thesis counts epochs of 100
    batch: int = 1  # views a step

    # the picture (6.1.4, 6.1.5)
    size: int = 64  # pixels a side of the training render (table 5.1)
    samples: int = 40  # stratified samples a ray (3.12)
    front_bias: float = 0.0  # share of cameras from the front quarter alone
    overhead: float = 0.12  # share of cameras from above 60 degrees
    radius_min: float = 2.6  # camera distance, world units
    radius_max: float = 3.1  # camera distance, world units
    fov_min: float = 38.0  # vertical field of view, degrees
    fov_max: float = 44.0  # vertical field of view, degrees
    background_min: float = 0.75  # grey behind the object, 0..1
    background_max: float = 1.0  # grey behind the object, 0..1
    albedo_until: float = 0.3  # share of the run with unshaded colours alone (6.1.4)
    albedo: float = 0.5  # share of steps with unshaded colours after that (6.1.4)
    textureless: float = 0.0  # share of steps with white, shaded surfaces after that (6.1.4)
    ambient: float = 0.5  # light from everywhere, 0..1; the rest is Lambertian

    # the field (3.2.4, 6.1.3, 6.1.6)
    levels: int = 6  # hash levels (3.16)
    features: int = 2  # features a level
    log2_table: int = 14  # entries a level, as a power of two (3.18)
    coarsest: int = 6  # cells a side of the first level (3.16)
    finest: int = 48  # cells a side of the last level (3.16)
    hidden: int = 32  # width of the one hidden layer
    blob_value: float = 10.0  # v of (6.1)
    blob_radius: float = 0.5  # b of (6.1), world units
    bound: float = 1.1  # radius of the ball that holds the object, world units
    occupancy: int = 32  # cells a side of the occupancy grid

    # descent (6.1.8)
    rate_grid: float = 1e-2  # Adam's step for the hash tables
    rate_net: float = 3e-3  # Adam's step for the network
    opacity: float = 0.02  # weight of the mean root of squared opacity (4.3.4)
    manifold: float = 10.0  # weight of the gap between a view and its reconstruction (ours, not the thesis')
    entropy: float = 0.05  # weight, at the end, of the entropy of opacity; rises linearly from 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "size", "samples", "levels", "features", "hidden", "occupancy", "coarsest"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("rate_grid", "rate_net", "radius_min", "fov_min", "bound", "blob_radius"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0")
        for name in ("late", "albedo_until", "albedo", "textureless", "ambient", "front_bias", "overhead"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it is a share, between 0 and 1")
        for low, high in (
            ("t_min", "t_max"),
            ("t_min", "t_max_late"),
            ("radius_min", "radius_max"),
            ("fov_min", "fov_max"),
            ("background_min", "background_max"),
            ("coarsest", "finest"),
        ):
            if getattr(self, low) > getattr(self, high):
                raise ValueError(f"{low} is {getattr(self, low)}, above {high}, which is {getattr(self, high)}")
        if not (0 <= self.t_min and max(self.t_max, self.t_max_late) <= 999):
            raise ValueError(f"time steps {self.t_min} to {self.t_max} leave 0..999; choose t_min and t_max inside")
        if self.albedo + self.textureless > 1:
            raise ValueError(f"albedo {self.albedo} and textureless {self.textureless} together are more than 1")
        if not 4 <= self.log2_table <= 24:
            raise ValueError(f"log2_table is {self.log2_table}; choose 4 to 24")

    def with_fields(self, **changes: float) -> "Recipe":
        """The same recipe with other values for the named fields. Raises TypeError for a field it lacks."""
        return replace(self, **changes)


RECIPE_FIELDS = tuple(field.name for field in fields(Recipe))
