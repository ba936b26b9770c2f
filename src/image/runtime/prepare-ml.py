# Imports everything that the runtime promises, so that a build with something missing fails here and not in a job.
import cv2, numpy, pandas, scipy.linalg, sklearn.linear_model, torch
import matplotlib

matplotlib.use('Agg')
from matplotlib import font_manager

# Matplotlib looks for fonts at its first start and keeps the list in the user's home, which is new for every job. The
# list is made once, here, and read from where it is.
import pathlib, shutil

shutil.copy(pathlib.Path(matplotlib.get_cachedir(), f'fontlist-v{font_manager.FontManager.__version__}.json'),
            '/usr/share/tidepool/fontlist.json')
source = pathlib.Path(font_manager.__file__)
text = source.read_text()
old = "    fm_path = Path("
assert text.count(old) == 1, 'matplotlib loads its font list in another way than expected'
new = "    if try_read_cache:\n        return json_load('/usr/share/tidepool/fontlist.json')\n" + old
source.write_text(text.replace(old, new))
