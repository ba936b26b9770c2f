"""Machine learning, vision and deep learning on handwritten digits, in the runtime `ml`:

scikit-learn fits a classifier, OpenCV draws the edges of some digits, PyTorch trains a small network.
Leaves report.json, digits.png and model.pt in ./out. The digits come with scikit-learn; nothing is downloaded.
"""
import json

import cv2
import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split

np.random.seed(0)
torch.manual_seed(0)
digits = load_digits()
x_train, x_test, y_train, y_test = train_test_split(digits.data / 16.0, digits.target, test_size=0.25, random_state=0)

# scikit-learn
classifier = LogisticRegression(max_iter=200).fit(x_train, y_train)
sklearn_accuracy = accuracy_score(y_test, classifier.predict(x_test))
print(f"scikit-learn: accuracy {sklearn_accuracy:.3f}", flush=True)

# OpenCV
edges = []
for image in digits.images[:8]:
    large = cv2.resize((image * 15).astype(np.uint8), (64, 64), interpolation=cv2.INTER_CUBIC)
    edges.append(cv2.Canny(large, 80, 160))
edge_share = float(np.mean([e.mean() / 255 for e in edges]))
print(f"OpenCV: {edge_share:.1%} of the pixels are edges", flush=True)

# PyTorch
model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
x, y = torch.tensor(x_train, dtype=torch.float32), torch.tensor(y_train)
losses = []
for epoch in range(60):
    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
    if epoch % 20 == 19:
        print(f"PyTorch: epoch {epoch + 1}, loss {loss.item():.3f}", flush=True)
with torch.no_grad():
    predicted = model(torch.tensor(x_test, dtype=torch.float32)).argmax(1).numpy()
torch_accuracy = accuracy_score(y_test, predicted)
print(f"PyTorch: accuracy {torch_accuracy:.3f}", flush=True)

figure, axes = plt.subplots(2, 8, figsize=(10, 3))
for i in range(8):
    axes[0, i].imshow(digits.images[i], cmap="gray_r")
    axes[0, i].set_title(str(digits.target[i]))
    axes[1, i].imshow(edges[i], cmap="gray")
    axes[0, i].axis("off")
    axes[1, i].axis("off")
figure.suptitle(f"scikit-learn {sklearn_accuracy:.3f}, PyTorch {torch_accuracy:.3f}; below: edges by OpenCV")
figure.savefig("out/digits.png", dpi=80)
torch.save(model.state_dict(), "out/model.pt")
with open("out/report.json", "w") as f:
    json.dump(
        {
            "sklearnAccuracy": sklearn_accuracy,
            "torchAccuracy": torch_accuracy,
            "edgeShare": edge_share,
            "firstLoss": losses[0],
            "lastLoss": losses[-1],
        },
        f,
        indent=2,
    )
