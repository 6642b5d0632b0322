"""Computing with the models of K clients at once: one batched product in place of K small ones.

Everything here takes the tensors of a single client as well, without the leading K, and is then torch's own. On a CPU, stacked
results have the bits of single ones, but for narrow layers and odd batches, for which torch multiplies in another way.
Shapes: K = clients, B = batch, I = inputs, O = outputs, C = classes, L = tokens of a sequence.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Linear(nn.Linear):
    """[B, I] to [B, O]; with weights of K clients [K, O, I], [K, B, I] to [K, B, O]."""

    def forward(self, input: Tensor) -> Tensor:
        """X W^T + b."""
        weight = self.weight
        if weight.dim() == 2:
            return functional.linear(input, weight, self.bias)
        out: Tensor = _StackedLinear.apply(input, weight, self.bias)
        return out


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """Mean cross-entropy of each client.

    Args:
        logits: [B, C] or [K, B, C]; of sequences of L tokens [B L, C], token after token.
        y: Classes [B] or [K, B]; of sequences the next tokens [B, L], of which those below 0 do not count.

    Returns:
        A scalar, or [K].
    """
    if logits.dim() == 2:
        return functional.cross_entropy(logits, y.flatten())
    losses: Tensor = _StackedCrossEntropy.apply(logits, y)
    return losses


def losses(logits: Tensor, y: Tensor) -> Tensor:
    """The cross-entropy of each sample [B], or of each token that counts; as `cross_entropy`, of which it is the mean."""
    every = functional.cross_entropy(logits, y.flatten(), reduction="none")
    return every[y.flatten() >= 0] if y.dim() > 1 else every


def backward(losses: Tensor) -> None:
    """Backpropagate a scalar, or the losses [K] of clients that share no parameter."""
    torch.autograd.backward(losses, torch.ones_like(losses))


class _StackedLinear(torch.autograd.Function):
    """Written out because the products of torch's own derivative have operands in another layout, and so other bits.

    Gradients of weights are added where `FlatVector.gradient` holds them, row by row, where autograd would not add.
    """

    @staticmethod
    def forward(context: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        context.save_for_backward(x)
        context.weight, context.bias = weight, bias
        return torch.baddbmm(bias.unsqueeze(1), x, weight.mT)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, None, None]:
        (x,) = context.saved_tensors
        if context.needs_input_grad[1]:
            context.weight.grad.baddbmm_(gradient.mT, x)
            context.bias.grad.add_(gradient.sum(1))
        return torch.bmm(gradient, context.weight) if context.needs_input_grad[0] else None, None, None


class _StackedCrossEntropy(torch.autograd.Function):
    """The mean is taken client by client, because torch sums a batch of losses in an order of its own."""

    @staticmethod
    def forward(context: Any, logits: Tensor, y: Tensor) -> Tensor:
        logarithms = functional.log_softmax(logits, dim=-1)
        context.save_for_backward(logarithms, y)
        return torch.stack([functional.nll_loss(*client) for client in zip(logarithms.unbind(), y.unbind(), strict=True)])

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        logarithms, y = context.saved_tensors
        at_labels = (gradient / -y.shape[1])[:, None, None].expand(*y.shape, 1)
        to_logarithms = torch.zeros_like(logarithms).scatter_(-1, y.unsqueeze(-1), at_labels)
        to_logits = torch.ops.aten._log_softmax_backward_data(to_logarithms, logarithms, -1, logarithms.dtype)
        return to_logits, None
